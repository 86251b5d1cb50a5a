"""The cocotb side: vectors one after the other, the temperature changing as the token of each leaves."""

import random
from typing import Any

import cocotb
from bench.case import load_case
from bench.stalls import Pauses
from bench.stream import Driver, Monitor, Testbench
from cocotb.task import Task
from cocotb.triggers import RisingEdge

from hc1gen.rtl.payloads import drawn_token

CASE = load_case()


class TokenMonitor(Monitor):
    """Sets slope and greedy for the first vector, and for each next one when the token before has left.

    Compares the token, and where it was drawn its weight and total.
    """

    def __init__(self, dut: Any, compare: bool, stall: Pauses):
        super().__init__(dut, "y", [v["y"] for v in CASE.vectors], stall)
        self.dut, self.compare = dut, compare
        self.beats: list[int] = []
        """Beats of exponentials of the vector that is inside."""

    def _compare(self) -> None:
        vector = CASE.vectors[len(self.words) - 1]
        if self.compare and vector["greedy"]:
            token = drawn_token(*CASE.widths).from_bits(self.words[-1]).token
            assert token == vector["y"], f"the largest of {len(self.words)}: got {token}, expected {vector['y']}"
        elif self.compare:
            super()._compare()
        if self.compare:
            assert self.beats == ([] if vector["greedy"] else vector["e"])
        self.beats = []

    def _take_note(self) -> None:
        if len(self.words) < len(CASE.vectors):
            vector = CASE.vectors[len(self.words)]
            self.dut.slope.value, self.dut.greedy.value = vector["slope"], vector["greedy"]
        super()._take_note()

    async def _pause(self, pause: int) -> None:
        """Once a word waits, as the time between two of them would swallow the pause."""
        await RisingEdge(self.clk)
        while not self.valid.value:
            await RisingEdge(self.clk)
        await super()._pause(pause)

    async def listen(self) -> None:
        """Collect the exponentials' beats."""
        dut = self.dut
        while True:
            await RisingEdge(dut.clk)
            if dut.e_valid.value and not dut.rst.value:
                assert dut.e_beat.value == len(self.beats), f"beat {int(dut.e_beat.value)} after {len(self.beats)}"
                self.beats.append(int(dut.e.value))


class SamplerBench(Testbench):
    """Logits and random words in, tokens out."""

    def add(self, compare: bool = True) -> tuple[Driver, TokenMonitor]:
        x = self.drive("x", [beat for vector in CASE.vectors for beat in vector["x"]])
        self.drive("random", [vector["random"] for vector in CASE.vectors])
        self.monitors.append(TokenMonitor(self.dut, compare, self._pattern.stall))
        return x, self.monitors[-1]

    def start(self, *coroutines: Any) -> list[Task]:
        return [cocotb.start_soon(coroutine) for coroutine in coroutines]


@cocotb.test()
@cocotb.parametrize(pattern=CASE.patterns)
async def tokens(dut: Any, pattern: str) -> None:
    """Runs cut short by a reset leave no trace; then every token is the golden model's, at the stated clock."""
    bench, beats = SamplerBench(dut, pattern), CASE.beats
    for after in (beats, beats + 3, beats + 6, 2 * beats + 5, 2 * beats + 9, 3 * beats + 13, 9 * beats + 30):
        bench.add(compare=False)
        await bench.interrupt(after)
    x, y = bench.add()
    (listening,) = bench.start(y.listen())
    await bench.run(CASE.timeout)
    listening.cancel()
    if pattern == "none":
        last = x.cycles[beats - 1 :: beats]
        took = [out - into for into, out in zip(last, y.cycles, strict=True)]
        assert took == [v["clocks"] for v in CASE.vectors], f"clocks from last beat in to token out: {took}"
        again = {into - out for out, into in zip(y.cycles, x.cycles[beats::beats], strict=False)}
        assert again == {CASE.recovery}, f"clocks from token out to the next vector's first beat: {again}"


async def change(dut: Any) -> None:
    """Another temperature now and then, whatever is going on."""
    rng = random.Random(f"{cocotb.RANDOM_SEED} change")
    while True:
        for _ in range(rng.choice([1, 3, 2 * CASE.beats, 4 * CASE.beats + 20])):
            await RisingEdge(dut.clk)
        dut.slope.value, dut.greedy.value = rng.getrandbits(len(dut.slope)), rng.randrange(2)


@cocotb.test()
@cocotb.parametrize(pattern=CASE.patterns)
async def changes(dut: Any, pattern: str) -> None:
    """The temperature changes while vectors are inside: every vector gets some token, and `y` keeps its word."""
    bench = SamplerBench(dut, pattern)
    bench.add(compare=False)
    (changing,) = bench.start(change(dut))
    await bench.run(CASE.timeout)
    changing.cancel()
    _, y = bench.add()
    (listening,) = bench.start(y.listen())
    await bench.run(CASE.timeout)
    listening.cancel()
    assert len(y.words) == len(CASE.vectors)
