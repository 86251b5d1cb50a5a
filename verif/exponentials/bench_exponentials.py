"""The cocotb side: vectors in, replays at all distances, and a model that knows what every clock must show."""

import random
from collections.abc import Iterator
from typing import Any

import cocotb
from bench.case import load_case
from bench.stalls import STALL_PATTERNS
from bench.stream import Testbench
from cocotb.triggers import Event, RisingEdge

CASE = load_case()
SLOPE_BITS = 17


class Player:
    """Replays and releases, and compares every output in every clock."""

    def __init__(self, dut: Any, pauses: Iterator[int]):
        self.dut, self.pauses = dut, pauses
        self.done = Event()
        self.rng = random.Random(f"{cocotb.RANDOM_SEED} player")
        self.now = self.beats = self.played = 0
        self.open_at, self.full_at, self.largest = 0, None, 0
        self.expected: dict[int, tuple[int, int]] = {}
        """Clock → (beat, its exponentials)."""

    def rest(self) -> None:
        """Ask for nothing."""
        self.dut.replay.value = self.dut.release.value = 0

    async def run(self) -> None:
        """Play all vectors."""
        for vector in CASE.vectors:
            self.largest = vector["largest"]
            self.dut.slope.value = self.rng.getrandbits(SLOPE_BITS)
            while not self._full():
                await self._clock()
            await self._wait(next(self.pauses))
            self.dut.slope.value = vector["slope"]
            for index in range(vector["replays"]):
                await self._replay(vector["e"])
                last = index == vector["replays"] - 1
                await self._wait(vector["cut"] if last else CASE.beats - 1 + next(self.pauses))
            self.dut.release.value = 1
            await self._clock()
            self.dut.release.value = 0
            self.open_at, self.full_at, self.expected = self.now + CASE.recovery, None, {}
            self.played += 1
        self.done.set()
        while True:
            await self._clock()

    async def _replay(self, e: list[int]) -> None:
        self.dut.replay.value = 1
        for beat, values in enumerate(e):
            self.expected[self.now + 1 + CASE.latency + beat * CASE.pace] = (beat, values)
        await self._clock()
        self.dut.replay.value = 0

    async def _wait(self, count: int) -> None:
        for _ in range(count):
            await self._clock()

    def _full(self) -> bool:
        """Whether the clock to come shows `full`."""
        return self.full_at is not None and self.now + 1 >= self.full_at

    async def _clock(self) -> None:
        dut, full = self.dut, self._full()
        await RisingEdge(dut.clk)
        self.now += 1
        assert dut.full.value == full, f"full is {dut.full.value} (clock {self.now})"
        if full:
            assert dut.largest.value == self.largest, f"largest is {int(dut.largest.value)}, expected {self.largest}"
        ready = self.open_at is not None and self.now >= self.open_at
        assert dut.x__ready.value == ready, f"x.ready is {dut.x__ready.value} (clock {self.now})"
        self._compare("e", self.expected.get(self.now))
        self._compare("ahead", self.expected.get(self.now + CASE.ahead))
        if ready and dut.x__valid.value:
            self.beats += 1
            if self.beats == CASE.beats:
                self.open_at, self.full_at, self.beats = None, self.now + CASE.full_latency, 0

    def _compare(self, name: str, expected: tuple[int, int] | None) -> None:
        valid, beat = getattr(self.dut, f"{name}_valid").value, getattr(self.dut, f"{name}_beat").value
        assert valid == (expected is not None), f"{name}_valid is {valid} (clock {self.now})"
        if expected is None:
            return
        assert beat == expected[0], f"{name}_beat is {int(beat)}, expected {expected[0]} (clock {self.now})"
        if name == "e":
            got = int(self.dut.e.value)
            assert got == expected[1], f"beat {int(beat)}: got {got:#x}, expected {expected[1]:#x} (clock {self.now})"

    def __str__(self) -> str:
        return f"{self.played} of {len(CASE.vectors)} vectors played"


def add(bench: Testbench, pattern: str) -> Player:
    """Driver and player of all vectors."""
    bench.drive("x", [beat for vector in CASE.vectors for beat in vector["x"]])
    player = Player(bench.dut, STALL_PATTERNS[pattern].stall.clocks(f"{cocotb.RANDOM_SEED} player"))
    bench.drivers.append(player)
    return player


@cocotb.test()
@cocotb.parametrize(pattern=CASE.patterns)
async def vectors(dut: Any, pattern: str) -> None:
    """Runs cut short by a reset leave no trace; then every largest logit and exponential is the golden model's."""
    bench = Testbench(dut, pattern)
    beats = CASE.beats
    for after in (1, beats, beats + 1, beats + 2, beats + 3, beats + 5, beats + 6, 2 * beats + 5, 5 * beats + 20):
        add(bench, pattern)
        await bench.interrupt(after)
    player = add(bench, pattern)
    await bench.run(CASE.timeout)
    assert player.played == len(CASE.vectors)
