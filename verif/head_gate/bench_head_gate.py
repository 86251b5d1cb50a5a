"""The cocotb side of the head gate's test: an epoch that moves whenever it likes, and a head that takes its time."""

import random
from typing import Any

import cocotb
from amaranth.lib import data
from bench.case import load_case
from bench.stream import Testbench, clock_now, clocks
from bench.timing import between, check_spans, paced
from cocotb.triggers import Event, RisingEdge

from hc1gen.rtl.payloads import tagged

CASE = load_case()
BEAT = tagged(CASE.position_bits, CASE.lanes, CASE.residual_bits)
STAYS = (0, 0, 0, 0, 1, 2, 7, 30)
"""Clocks that a token spends in the head."""


class World:
    """Moves the epoch, says `done`, and compares every clock with what the gate is to do."""

    def __init__(self, dut: Any, pattern: str):
        self.dut = dut
        self.rng = random.Random(f"{cocotb.RANDOM_SEED} {pattern}")
        self.epoch, self.done = 0, Event()
        self.done.set()
        self.seen: set[str] = set()
        """What has happened."""
        self.passed: list[int] = []
        """Numbers of the vectors that passed."""
        self.entered: list[tuple[int, Any]] = []
        """Clock of the first beat of each vector that passes, and its tag."""

    def rest(self) -> None:
        """Nothing is in the head; the epoch is 0."""
        self.epoch = 0
        self.dut.done.value = self.dut.epoch.value = 0

    async def run(self) -> None:
        """Watch and move for ever."""
        fate: bool | None = None  # of the vector on `x`: passes or is swallowed
        beat, vector, inside, stay = 0, 0, None, 0
        owed: int | None = None  # what `position` is to say
        while True:
            await RisingEdge(self.dut.clk)
            valid, taken = bool(self.dut.x__valid.value), bool(self.dut.x__valid.value and self.dut.x__ready.value)
            x = BEAT.from_bits(int(self.dut.x__payload.value))
            tag = x.tag
            wanted = bool(tag.predict) and tag.epoch == self.epoch
            free = inside is None
            if valid and beat == 0 and fate is None and (free or not wanted):
                fate = wanted
            elif valid and fate is not None and beat and fate != wanted:
                self.seen.add("passes in another epoch" if fate else "swallowed in its epoch")
            elif valid and fate and not beat and not wanted:
                self.seen.add("offered in its epoch")
            self._check(valid, taken, fate, x.lanes)
            owed = self._check_position(owed)
            self._check_tag()
            if not free:
                assert int(self.dut.tag.value) == inside.as_bits(), "tag changes while its token is inside"
                stay -= 1
            if valid and fate is None:
                self.seen.add("waits")
            if taken:
                if beat == 0 and fate:
                    self.entered.append((clock_now(), tag))
                beat = (beat + 1) % CASE.beats
                if beat == 0:
                    self.passed += [vector] if fate else []
                    vector += 1
                    self.seen.add("stale" if tag.predict and not fate else f"passes {fate}")
                    if fate:
                        inside, stay, owed = tag, self.rng.choice(STAYS), tag.position
                    fate = None
            if inside is not None and self.dut.done.value:
                inside = None
            self._move(inside is not None and owed is None and stay <= 0)

    def _check(self, valid: bool, taken: bool, fate: bool | None, lanes: data.Const) -> None:
        """In this clock, what the gate does is what this vector's fate asks for."""
        inner, ready = bool(self.dut.inner__valid.value), bool(self.dut.inner__ready.value)
        assert inner == (valid and fate is True), f"inner is {inner}; valid {valid}, fate {fate}"
        if valid:
            assert taken == (fate is False or (fate is True and ready)), f"taken {taken}, fate {fate}, ready {ready}"
        if inner:
            assert int(self.dut.inner__payload.value) == lanes.as_bits(), "inner does not say what x says"

    def _check_tag(self) -> None:
        """The tag is that of the vector that entered last, from its clock on."""
        shown = [tag for clock, tag in self.entered[-2:] if clock_now() - clock >= CASE.tag_latency]
        if shown:
            assert int(self.dut.tag.value) == shown[-1].as_bits(), f"tag is {self.dut.tag.value}, not {shown[-1]}"

    def _check_position(self, owed: int | None) -> int | None:
        """The position of each token that passed, from the clock after its last beat until taken."""
        dut = self.dut
        assert bool(dut.position__valid.value) == (owed is not None), f"position valid, owed {owed}"
        if owed is not None:
            assert dut.position__payload.value == owed
        return None if owed is not None and dut.position__ready.value else owed

    def _move(self, finished: bool) -> None:
        """Choose `done` and the epoch for the next clock."""
        self.dut.done.value = int(finished and not self.dut.done.value)
        if self.rng.random() < CASE.restless:
            self.epoch = self.rng.choice(CASE.epochs)
        self.dut.epoch.value = self.epoch

    def __str__(self) -> str:
        return f"epoch {self.epoch}"


def timing(passed: list[int]) -> list:
    """Each vector that passed, beat by beat, and its position behind its last beat."""
    spans = []
    for number, vector in enumerate(passed):
        x, inner = (range(n * CASE.beats, (n + 1) * CASE.beats) for n in (vector, number))
        spans += between(CASE.latency, "x", x, "inner", inner) + paced(CASE.pace, "inner", inner)
        spans += between(CASE.position_latency, "x", [x[-1]], "position", [number])
    return spans


@cocotb.test()
@cocotb.parametrize(pattern=CASE.patterns)
async def vectors(dut: Any, pattern: str) -> None:
    """After a run that a reset cut short, all vectors are taken, and those that are wanted pass whole."""
    bench = Testbench(dut, pattern)
    for interrupted in (True, False):
        world = World(dut, pattern)
        ends = [bench.drive("x", CASE.words), bench.expect("inner", None), bench.expect("position", None)]
        bench.drivers.append(world)
        if interrupted:
            await bench.interrupt(29)
        else:
            await bench.run()
    await clocks(dut.clk, 1)
    if pattern == "none":
        check_spans(timing(world.passed), {end.name: end.cycles for end in ends})
    missing = {"passes True", "passes False", "stale", "waits"} - world.seen
    if CASE.beats > 1:
        missing |= {"passes in another epoch", "swallowed in its epoch"} - world.seen
    if pattern == "long":
        missing |= {"offered in its epoch"} - world.seen
    assert not missing, f"never happened: {missing}"
