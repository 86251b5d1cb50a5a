"""The cocotb side of the control's test: a model of the pipeline, and a checker that looks at every clock."""

import random
from typing import Any

import cocotb
from bench.case import load_case
from bench.stalls import STALL_PATTERNS
from bench.stream import Driver, Monitor, Testbench, clock_now, clocks
from cocotb.triggers import RisingEdge

from hc1gen.rtl.types import EPOCH_BITS, SEQUENCE_BITS

CASE = load_case()
EPOCHS = 1 << EPOCH_BITS
EPOCH_AT = CASE.token_bits + CASE.position_bits + SEQUENCE_BITS
LATENCIES = (1, 1, 2, 3, 9, 40)


def issue_word(token: int, position: int, epoch: int, predict: int) -> int:
    """A payload of `issue` or `sampled`."""
    return token | position << CASE.token_bits | (epoch % EPOCHS) << EPOCH_AT | predict << EPOCH_AT + EPOCH_BITS


def prompt_words(conversation: dict) -> list[int]:
    """Payloads of `prompt`."""
    prompt = conversation["prompt"]
    return [token | (i == len(prompt) - 1) << CASE.token_bits for i, token in enumerate(prompt)]


def output_words() -> list[int]:
    """Payloads of `out`, of all conversations."""
    bits = CASE.token_bits
    return [t | last << bits | reason << bits + 1 for c in CASE.conversations for t, last, reason in c["answer"]]


def issue_words() -> list[int]:
    """Payloads of `issue`: the prompt, cut to the context, and every answer but its last token."""
    words = []
    for epoch, c in enumerate(CASE.conversations):
        prompt = c["prompt"][: CASE.context]
        answer = [token for token, _, _ in c["answer"][:-1]]
        for position, token in enumerate(prompt + answer):
            words.append(issue_word(token, position, epoch, int(position >= len(prompt) - 1)))
    return words


class Prompts(Driver):
    """Sends the prompts; `limit` is right only with the token it is read with, and noise otherwise."""

    def __init__(self, bench: Testbench, idle: Any):
        super().__init__(bench.dut, "prompt", [word for c in CASE.conversations for word in prompt_words(c)], idle)
        self.limit = bench.dut.limit

    async def run(self) -> None:
        """Send all words."""
        everything = self.words
        for c in CASE.conversations:
            for index, word in enumerate(prompt_words(c)):
                right = index == min(len(c["prompt"]), CASE.context) - 1
                self.limit.value = c["limit"] if right else self._noise.getrandbits(16)
                self.words = [word]
                await super().run()
                self.done.clear()
        self.words = everything
        self.limit.value = self._noise.getrandbits(16)
        self.done.set()


class Pipeline(Driver):
    """Answers every issued token that asks for its successor, in order and some time later, and now and then says
    something about an epoch that is over."""

    def __init__(self, bench: Testbench, idle: Any, issued: Monitor):
        super().__init__(bench.dut, "sampled", [], idle)
        self.issued = issued
        self.answers = iter([token for c in CASE.conversations for token, _, _ in c["answer"]])
        self.rng = random.Random(f"{cocotb.RANDOM_SEED} pipeline")

    async def run(self) -> None:
        """Answer for ever."""
        self.done.set()
        index = 0
        while True:
            while len(self.issued.words) <= index:
                await RisingEdge(self.clk)
            word = self.issued.words[index]
            index += 1
            due = self.issued.cycles[index - 1] + self.rng.choice(LATENCIES)
            if self.rng.random() < 0.3:
                await self._send(self._stale(word))
            if word >> EPOCH_AT + EPOCH_BITS:
                await clocks(self.clk, max(0, due - clock_now()))
                tag = word >> CASE.token_bits << CASE.token_bits
                await self._send(tag | next(self.answers))

    def _stale(self, word: int) -> int:
        """The word with another token and an epoch that is neither this one nor the next."""
        epoch = (word >> EPOCH_AT) - self.rng.randint(1, EPOCHS - 2)
        other = self.rng.getrandbits(EPOCH_AT) & ((1 << EPOCH_AT) - 1)
        return other | (epoch % EPOCHS) << EPOCH_AT | 1 << EPOCH_AT + EPOCH_BITS

    async def _send(self, word: int) -> None:
        self.words = [word]
        await super().run()


class Checker:
    """Looks at every clock: `clocks` is what the testbench counts, an answer's token is issued in the clock in which
    it appears, no prompt begins before the last answer has left, and what is stale never waits."""

    def __init__(self, dut: Any):
        self.dut = dut
        lengths = [len(c["prompt"]) for c in CASE.conversations]
        self.firsts = {sum(lengths[:i]): i for i in range(len(lengths))}
        self.ends = {sum(lengths[:i]) + min(length, CASE.context) - 1 for i, length in enumerate(lengths)}
        self.taken = self.answers = self.shown = self.epoch = 0
        self.mark = 0
        self.expected: int | None = None

    async def run(self) -> None:
        """Check for ever."""
        now = 0
        while True:
            await RisingEdge(self.dut.clk)
            now += 1
            self._check_output(now)
            self._check_prompt(now)
            self._check_stale()

    def _check_output(self, now: int) -> None:
        dut = self.dut
        if not dut.out__valid.value:
            return
        word = int(dut.out__payload.value)
        last = word >> CASE.token_bits & 1
        if self.expected is None:
            self.expected, self.mark = now - 1 - self.mark, now - 1
            self.shown += 1
            self.epoch += last
            assert last or dut.issue__valid.value, "a token appears on out and not on issue"
        assert dut.clocks.value == self.expected, f"clocks is {int(dut.clocks.value)}, counted {self.expected}"
        if dut.out__ready.value:
            self.expected = None
            self.answers += last

    def _check_prompt(self, now: int) -> None:
        if not (self.dut.prompt__valid.value and self.dut.prompt__ready.value):
            return
        if self.taken in self.firsts:
            index = self.firsts[self.taken]
            assert self.answers == index, f"prompt {index} begins after {self.answers} answers"
        if self.taken in self.ends:
            self.mark = now
        self.taken += 1

    def _check_stale(self) -> None:
        if self.dut.sampled__valid.value:
            epoch = int(self.dut.sampled__payload.value) >> EPOCH_AT & EPOCHS - 1
            current = epoch == self.epoch % EPOCHS
            assert current or self.dut.sampled__ready.value, f"a word of epoch {epoch} waits in epoch {self.epoch}"


def add(bench: Testbench, pattern: str, compare: bool) -> Monitor:
    """Drivers and monitors of all streams; the monitor of `issue`."""
    issued = bench.expect("issue", issue_words() if compare else None)
    bench.expect("out", output_words() if compare else None)
    bench.drivers.append(Prompts(bench, STALL_PATTERNS[pattern].idle))
    bench.drivers.append(Pipeline(bench, STALL_PATTERNS[pattern].idle, issued))
    return issued


@cocotb.test()
@cocotb.parametrize(pattern=CASE.patterns)
async def answers(dut: Any, pattern: str) -> None:
    """After runs that a reset cut short, in a prompt and in an answer, all conversations are right and in order."""
    bench = Testbench(dut, pattern)
    for after in (3, 30, 101, 400):
        add(bench, pattern, compare=False)
        await bench.interrupt(after)
    issued = add(bench, pattern, compare=True)
    await bench.reset()
    checker = Checker(dut)
    task = cocotb.start_soon(checker.run())
    await bench.run()
    task.cancel()
    assert checker.shown == len(output_words())
    if pattern == "none":
        length = min(len(CASE.conversations[1]["prompt"]), CASE.context)
        start = issued.expected.index(issue_word(CASE.conversations[1]["prompt"][0], 0, 1, int(length == 1)))
        clocks_taken = issued.cycles[start + length - 1] - issued.cycles[start] + 1
        assert clocks_taken == length, f"{clocks_taken} clocks for a prompt of {length} tokens"
