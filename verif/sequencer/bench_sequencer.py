"""The cocotb side of prompts and answers, and a checker that looks at them in every clock."""

from typing import Any

from amaranth.lib import data
from bench.case import load_case, output_word
from bench.stream import Driver, Testbench
from cocotb.triggers import RisingEdge

from hc1gen.outcome import Outcome
from hc1gen.rtl.payloads import output_token, prompt_token, to_bits

CASE = load_case()
PROMPT, OUT = prompt_token(CASE.token_bits), output_token(CASE.token_bits, CASE.ahead > 0)
SETTINGS = ("limit", "temperature", "seed", "speculate")


def settings_of(conversation: dict) -> dict[str, int]:
    """What stands beside the prompt; what a conversation does not say is 0."""
    given = {"limit": conversation["limit"]} if "limit" in conversation else {}
    return dict.fromkeys(SETTINGS, 0) | given | conversation.get("settings", {})


def prompt_words(prompt: list[int]) -> list[int]:
    """Payloads of `prompt`."""
    return [to_bits(PROMPT, {"token": token, "last": i == len(prompt)}) for i, token in enumerate(prompt, 1)]


def output_words(conversations: list[dict] | None = None) -> list[int]:
    """Payloads of `out`, of all conversations."""
    return [output_word(OUT, *said) for c in conversations or CASE.conversations for said in c["answer"]]


class Prompts(Driver):
    """Sends the prompts; the settings are right only with the token they are read with, and noise otherwise."""

    def __init__(self, bench: Testbench, idle: Any, conversations: list[dict] | None = None):
        self.conversations = conversations or CASE.conversations
        words = [word for c in self.conversations for word in prompt_words(c["prompt"])]
        super().__init__(bench.dut, "prompt", words, idle)
        ports = {name: getattr(bench.dut, name, None) for name in SETTINGS}
        self.ports = {name: port for name, port in ports.items() if port is not None}

    async def run(self) -> None:
        """Send all words."""
        everything = self.words
        for c in self.conversations:
            for index, word in enumerate(prompt_words(c["prompt"])):
                self._set(settings_of(c) if index == 0 else None)
                self.words = [word]
                await super().run()
                self.done.clear()
        self.words = everything
        self._set(None)
        self.done.set()

    def _set(self, settings: dict[str, int] | None) -> None:
        for name, port in self.ports.items():
            port.value = self._noise.getrandbits(len(port)) if settings is None else settings[name]


class Checker:
    """Looks at every clock: `clocks` is what the testbench counts, no prompt begins before the last answer has left,
    and the settings are held from the clock after a prompt's first token until the next prompt's."""

    def __init__(self, dut: Any, conversations: list[dict]):
        self.dut = dut
        self.conversations = conversations
        lengths = [len(c["prompt"]) for c in conversations]
        self.firsts = {sum(lengths[:i]): i for i in range(len(lengths))}
        self.ends = {sum(lengths[:i]) + min(length, CASE.context) - 1 for i, length in enumerate(lengths)}
        self.taken = self.answers = self.shown = 0
        self.held: dict[str, int] | None = None
        self.mark = 0
        self.expected: int | None = None

    async def run(self) -> None:
        """Check for ever."""
        now = 0
        while True:
            await RisingEdge(self.dut.clk)
            now += 1
            self._check_output(now)
            self._check_settings()
            self._check_prompt(now)

    def _check_output(self, now: int) -> None:
        dut = self.dut
        if not dut.out__valid.value:
            return
        said = OUT.from_bits(int(dut.out__payload.value))
        if self.expected is None:
            self.expected, self.mark = now - 1 - self.mark, now - 1
            self.shown += 1
            assert said.last or self._issued(said), "a token appears on out, and not on issue"
        assert dut.clocks.value == self.expected, f"clocks is {int(dut.clocks.value)}, counted {self.expected}"
        if dut.out__ready.value:
            self.expected = None
            self.answers += said.last

    def _issued(self, said: data.Const) -> bool:
        """Whether the token on `out` is on `issue`, may have been before, or has to wait for one of the two."""
        if self.dut.issue__valid.value:
            return True
        if not CASE.ahead:
            return False
        return said.outcome == Outcome.ACCEPTED or bool(self.dut.draft_issue__valid.value)

    def _check_prompt(self, now: int) -> None:
        if not (self.dut.prompt__valid.value and self.dut.prompt__ready.value):
            return
        if self.taken in self.firsts:
            index = self.firsts[self.taken]
            assert self.answers == index, f"prompt {index} begins after {self.answers} answers"
            self.held = settings_of(self.conversations[index])
        if self.taken in self.ends:
            self.mark = now
        self.taken += 1

    def _check_settings(self) -> None:
        if self.held:
            for name in ("temperature", "seed"):
                held = int(getattr(self.dut, f"held_{name}").value)
                assert held == self.held[name], f"held_{name} is {held:#x}, not {self.held[name]:#x}"
