"""The cocotb side of the skip connections' test."""

from typing import Any

import cocotb
from bench.case import load_case
from bench.stream import Driver, Monitor, Testbench, clock_now
from bench.timing import check_spans
from cocotb.triggers import RisingEdge

CASE = load_case()


class Sublayer(Driver):
    """Gives a sublayer's result after its vector has arrived at `inner` twice; without `inner`, at once."""

    def __init__(self, bench: Testbench, idle: Any, inner: Monitor | None):
        super().__init__(bench.dut, "back", CASE.words["back"], idle)
        self.inner = inner

    async def run(self) -> None:
        """Send all words."""
        if self.inner:
            queue, self.words = self.words, []
            for start in range(0, len(queue), CASE.beats):
                while len(self.inner.words) < 2 * (start + CASE.beats):
                    await RisingEdge(self.clk)
                self.words = queue[start : start + CASE.beats]
                self.done.clear()
                await super().run()
                self.done.clear()
            self.done.set()
        else:
            await super().run()


async def check_order(dut: Any) -> None:
    """Beats pass token by token, and `tag` is the token's from its first beat in to its last beat out.

    `mlp` tells whose vector is on `inner`.
    """
    taken = said = left = 0
    firsts: list[int] = []  # clocks of the tokens' first beats
    while True:
        await RisingEdge(dut.clk)
        token = left // CASE.beats
        if taken > left:
            assert dut.tag.value == CASE.words["tags"][token], f"tag {dut.tag.value} of token {token}"
        entered = [clock for clock in firsts if clock_now() - clock >= CASE.tag_latency]
        if entered:
            shown = len(entered) - 1
            assert dut.tag.value == CASE.words["tags"][shown], f"tag {dut.tag.value} is not that of token {shown}"
        if dut.x__valid.value and dut.x__ready.value:
            assert taken // CASE.beats == token, f"token {taken // CASE.beats} enters before token {token} has left"
            assert dut.inner__valid.value and dut.inner__ready.value, "x and inner pass at different clocks"
            firsts += [clock_now()] if taken % CASE.beats == 0 else []
            taken += 1
        if dut.inner__valid.value and dut.inner__ready.value:
            assert dut.mlp.value == said // (2 * CASE.beats) % 2, f"mlp {dut.mlp.value} with beat {said} of inner"
            said += 1
        if dut.y__valid.value and dut.y__ready.value:
            assert dut.mlp.value == 1, "mlp falls before the token has left"
            assert taken == (token + 1) * CASE.beats, f"token {token} leaves before it is inside"
            left += 1


def add(bench: Testbench, eager: bool, compare: bool) -> list[Driver | Monitor]:
    """Drivers and monitors of all streams."""
    x = bench.drive("x", CASE.words["x"])
    inner = bench.expect("inner", CASE.words["inner"] if compare else None)
    idle = bench._pattern.idle
    bench.drivers.append(Sublayer(bench, idle, None if eager else inner))
    return [x, bench.drivers[-1], inner, bench.expect("y", CASE.words["y"] if compare else None)]


@cocotb.test()
@cocotb.parametrize(pattern=CASE.patterns, eager=[False, True])
async def sums(dut: Any, pattern: str, eager: bool) -> None:
    """After a run that a reset cut short while a token was inside, all sums are exact, in order, and in time.

    With an eager sublayer, attention's result is offered before it can be taken.
    """
    bench = Testbench(dut, pattern)
    for after in (3, 11, 2 * CASE.beats + 4, 4 * CASE.beats + 9):
        add(bench, eager, compare=False)
        await bench.interrupt(after)
    ends = add(bench, eager, compare=True)
    await bench.reset()
    checker = cocotb.start_soon(check_order(dut))
    await bench.run()
    checker.cancel()
    if pattern == "none":
        for monitor in ends[2:]:
            first, last = monitor.cycles[0], monitor.cycles[CASE.beats - 1]
            assert last - first == CASE.beats - 1, f"{monitor.name}: {last - first + 1} clocks for {CASE.beats} beats"
        check_spans(CASE.timing + (CASE.eager_timing if eager else []), {end.name: end.cycles for end in ends})
