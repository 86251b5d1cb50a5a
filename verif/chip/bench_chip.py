"""The cocotb side of the whole-chip tests: prompts in, tokens out, and a look at every vector between the layers."""

from typing import Any

import cocotb
from bench.case import load_case
from bench.stalls import STALL_PATTERNS
from bench.stream import Monitor, Stream, Testbench, clock_now
from cocotb.triggers import RisingEdge
from sequencer.bench_sequencer import Prompts, output_words

from hc1gen.outcome import Outcome

CASE = load_case()


class Watcher(Stream):
    """Compares what passes on an inner stream with `expected`; takes and gives nothing."""

    def __init__(self, dut: Any, name: str, expected: list[int]):
        super().__init__(dut, name)
        self.expected = expected
        self.cycles: list[int] = []
        """The clock of each transfer so far."""

    async def run(self) -> None:
        """Watch for ever."""
        while True:
            await RisingEdge(self.clk)
            while not self.valid.value:
                await RisingEdge(self.valid)
                await RisingEdge(self.clk)
            if self.ready.value:
                self._compare(int(self.payload.value))
                self.cycles.append(clock_now())

    def _compare(self, word: int) -> None:
        index = len(self.cycles)
        assert index < len(self.expected), f"{self.name}: a word too many: {word:#x}"
        want = self.expected[index]
        assert word == want, f"{self.name}: word {index}: got {word:#x}, expected {want:#x} (clock {clock_now()})"


class ClocksChecker:
    """`clocks` is what the testbench counts: from the prompt's end, or from the token before, to this token's sight.

    Where nothing stalls, it is the sum of the latencies of the blocks.
    """

    def __init__(self, dut: Any, prompts: Prompts, stalls: bool):
        self.dut, self.prompts, self.stalls = dut, prompts, stalls
        self.checked = 0
        self.first: list[int] = []
        """For each answer, clocks from the taking of the prompt's first token to the answer's first."""
        self.later: list[int] = []
        """Clocks of every other token."""

    async def run(self) -> None:
        """Check every token of every answer."""
        taken = 0
        for talk, stated in zip(CASE.conversations, CASE.clocks, strict=True):
            for index, expected in enumerate(stated):
                await RisingEdge(self.dut.out__valid)
                shown = clock_now()
                await RisingEdge(self.dut.clk)
                if index == 0:
                    mark = self.prompts.cycles[taken + min(len(talk["prompt"]), CASE.context) - 1]
                    self.first.append(shown - self.prompts.cycles[taken])
                else:
                    self.later.append(shown - mark)
                clocks = int(self.dut.clocks.value)
                assert clocks == shown - mark, f"clocks is {clocks}, counted {shown - mark}"
                if expected is not None and not self.stalls:
                    assert clocks == expected, f"token {index} took {clocks} clocks, the blocks state {expected}"
                mark = shown
                self.checked += 1
            taken += len(talk["prompt"])


def add(bench: Testbench, pattern: str, compare: bool) -> tuple[Prompts, Monitor]:
    """The ends of both streams."""
    answers = bench.expect("out", output_words() if compare else None)
    prompts = Prompts(bench, STALL_PATTERNS[pattern].idle)
    bench.drivers.append(prompts)
    return prompts, answers


async def cut_short(bench: Testbench, pattern: str, taken: int, answered: int) -> None:
    """Run until the chip has taken and answered so many tokens, and stop there."""
    prompts, answers = add(bench, pattern, compare=False)
    await bench.reset()
    tasks = bench._start()
    while len(prompts.cycles) < taken or len(answers.words) < answered:
        await RisingEdge(bench.dut.clk)
    assert len(prompts.cycles) == taken and len(answers.words) == answered, "stopped too late"
    bench._stop(tasks)


def tokens_inside(entering: Watcher, leaving: Watcher) -> int:
    """The largest number of tokens between two streams at any time."""
    starts, ends = entering.cycles[:: CASE.beats], leaving.cycles[CASE.beats - 1 :: CASE.beats]
    return max(sum(s <= at for s in starts) - sum(e <= at for e in ends) for at in starts)


@cocotb.test()
@cocotb.parametrize(pattern=CASE.patterns)
async def answers(dut: Any, pattern: str) -> None:
    """After runs that a reset cut short, all conversations are right, in order, in every layer."""
    bench = Testbench(dut, pattern, CASE.constants)
    for taken, answered in CASE.interrupts:
        await cut_short(bench, pattern, taken, answered)
    prompts, _ = add(bench, pattern, compare=True)
    checker = ClocksChecker(dut, prompts, stalls=pattern != "none")
    watchers = [Watcher(dut, name, words) for name, words in CASE.vectors.items()]
    await bench.reset()
    tasks = [cocotb.start_soon(task.run()) for task in (checker, *watchers)]
    await bench.run(CASE.timeout)
    for task in tasks:
        task.cancel()
    assert checker.checked == len(output_words())
    assert int(dut.model_root.value) == CASE.model_root
    for watcher in watchers:
        assert len(watcher.cycles) == len(watcher.expected), f"{watcher.name}: {len(watcher.cycles)} words passed"
    if pattern == "none" and watchers:
        check_pipelining(checker, watchers)
    if CASE.ahead:
        check_counters(dut)


def check_counters(dut: Any) -> None:
    """What the chip has counted since the last reset is what the conversations hold, all but what was flushed."""
    outcomes = [said[3] for talk in CASE.conversations for said in talk["answer"]]
    counted = {name: int(getattr(dut, name).value) for name in ("drafted", "accepted", "rejected", "flushed")}
    assert counted["accepted"] == outcomes.count(Outcome.ACCEPTED), counted
    assert counted["rejected"] == outcomes.count(Outcome.REJECTED), counted
    assert counted["drafted"] == sum(counted[name] for name in ("accepted", "rejected", "flushed")), counted


def check_pipelining(checker: ClocksChecker, watchers: list[Watcher]) -> None:
    """The first prompt passes with several tokens inside, `CASE.speedup` times faster than one by one.

    Watchers: of the embedding, of every layer, of the logits.
    """
    inside, layers = tokens_inside(watchers[0], watchers[-2]), len(watchers) - 2
    assert inside >= layers, f"no more than {inside} tokens inside {layers} layers"
    tokens, alone = len(CASE.conversations[0]["prompt"]), min(checker.later)
    together = checker.first[0]
    cocotb.log.warning("%d tokens inside; %d tokens: %d clocks, alone %d", inside, tokens, together, alone)
    assert together * CASE.speedup < tokens * alone, f"{tokens} tokens: {together} clocks, one alone {alone}"
