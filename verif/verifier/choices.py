"""The cocotb side: logits and random numbers in, tokens out, and a model of the draft's queue that is often late."""

import random
from typing import Any

import cocotb
from bench.case import load_case
from bench.stream import Driver, Monitor, Testbench
from cocotb.triggers import Event, RisingEdge

CASE = load_case()
LATE = (0, 0, 1, 3, CASE.beats, 2 * CASE.beats + 20)
INTERRUPTS = (3, CASE.beats + 4, 2 * CASE.beats + 9, 2 * CASE.beats + 15, 5 * CASE.beats + 30, 400)


class Queue:
    """Offers each vector's settings before its first beat, and its record on time or later; answers reads.

    What is not to be looked at is noise.
    """

    def __init__(self, dut: Any, late: bool):
        self.dut, self.late = dut, late
        self.done = Event()
        self.rng = random.Random(f"{cocotb.RANDOM_SEED} queue")
        self.index = self.wait = 0

    def rest(self) -> None:
        """Offer noise."""
        for port in ("slope", "greedy", "verify", "head", "read_data"):
            self._noise(port)
        self.dut.head_valid.value = 0

    async def run(self) -> None:
        """Offer one vector after the other."""
        dut = self.dut
        self._vector()
        while True:
            await RisingEdge(dut.clk)
            if dut.read_en.value:
                assert self.wait == 0, "read before there is a record"
                dut.read_data.value = CASE.offers[self.index]["beats"][int(dut.read_beat.value)]
            else:
                self._noise("read_data")
            if dut.y__valid.value and dut.y__ready.value:
                self.index += 1
                self._vector()
            elif self.wait:
                self.wait -= 1
                self._record()

    def _vector(self) -> None:
        if self.index == len(CASE.offers):
            self.rest()
            self.done.set()
            return
        offer = CASE.offers[self.index]
        for port in ("slope", "greedy", "verify"):
            getattr(self.dut, port).value = offer[port]
        self.wait = self.rng.choice(LATE) if self.late and offer["verify"] else 0
        self._record()

    def _record(self) -> None:
        offer = CASE.offers[self.index]
        here = offer["verify"] and self.wait == 0
        self.dut.head_valid.value = int(here)
        if here:
            self.dut.head.value = offer["head"]
        else:
            self._noise("head")
            if not offer["verify"]:  # whatever the queue holds is not for this token
                self.dut.head_valid.value = self.rng.getrandbits(1)

    def _noise(self, port: str) -> None:
        signal = getattr(self.dut, port)
        signal.value = self.rng.getrandbits(len(signal))

    def __str__(self) -> str:
        return f"queue: vector {self.index} of {len(CASE.offers)}"


def add(bench: Testbench, late: bool, compare: bool) -> tuple[Driver, Monitor]:
    """All ends of the verifier; the driver of the logits and the monitor of the tokens."""
    x = bench.drive("x", CASE.x)
    bench.drive("random", CASE.random)
    bench.drivers.append(Queue(bench.dut, late))
    return x, bench.expect("y", CASE.y if compare else None)


@cocotb.test()
@cocotb.parametrize(pattern=CASE.patterns)
async def choices(dut: Any, pattern: str) -> None:
    """After runs that a reset cut short, in every kind of pass, every choice is the golden chip's."""
    bench = Testbench(dut, pattern)
    for after in INTERRUPTS:
        add(bench, pattern != "none", compare=False)
        await bench.interrupt(after)
    x, y = add(bench, pattern != "none", compare=True)
    await bench.run()
    if pattern == "none":
        took = [b - a for a, b in zip(x.cycles[CASE.beats - 1 :: CASE.beats], y.cycles, strict=True)]
        wrong = [(i, t, c) for i, (t, c) in enumerate(zip(took, CASE.clocks, strict=True)) if t != c]
        assert not wrong, f"(vector, clocks, expected): {wrong}"
        again = {b - a for a, b in zip(y.cycles, x.cycles[CASE.beats :: CASE.beats], strict=False)}
        assert again == {CASE.recovery}, f"clocks from a token to the next vector's first beat: {again}"
