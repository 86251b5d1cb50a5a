"""A baked chip that runs in Verilator, its answers beside those of the golden model."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ..backend import simulator
from ..backend.simulator import ChipSimulator, Counters, Token
from ..frontend.tokenizer import Tokenizer
from ..golden.chip import GoldenChip
from ..golden.chip import Token as GoldenToken
from ..progress import Progress
from ..reason import Reason
from ..settings import Settings
from .answer import TOKENS, Prompt, heard, text_of

COMPILED = re.compile(r"-o (\S+)\.o\b")
TASK = "building the simulator"


@dataclass(frozen=True)
class Difference:
    """The first place where chip and golden model differ, in anything that both say of a token; None: nothing said."""

    index: int
    chip: Token | None
    golden: GoldenToken | None


@dataclass(frozen=True)
class Simulation:
    """What a simulated chip says to a prompt, up to the first token that differs from the golden model's.

    golden: the golden model's tokens, None where they were not asked for; text: of the chip's tokens, EOS left out;
    cycles: clocks of the simulator since it was started; counters: what became of the draft's proposals since then,
    None on a chip without a draft; seconds: of the simulation alone.
    """

    prompt: Prompt
    settings: Settings
    tokens: tuple[Token, ...]
    golden: tuple[GoldenToken, ...] | None
    text: str
    cycles: int
    counters: Counters | None
    seconds: float

    @property
    def reason(self) -> Reason:
        """Why the answer ended."""
        return self.tokens[-1].reason

    @property
    def difference(self) -> Difference | None:
        """Where it differs from the golden model; None where it does not, or was not compared."""
        if self.golden is None:
            return None
        for index in range(max(len(self.tokens), len(self.golden))):
            chip = self.tokens[index] if index < len(self.tokens) else None
            golden = self.golden[index] if index < len(self.golden) else None
            if chip is None or golden is None or differ(chip, golden):
                return Difference(index, chip, golden)
        return None

    @property
    def match(self) -> bool:
        """Whether every token was compared and equals the golden model's."""
        return self.golden is not None and self.difference is None

    @property
    def clocks_per_token(self) -> float | None:
        """Mean over the tokens after the first, which also waits for its prompt; None where there are none."""
        clocks = [token.clocks for token in self.tokens[1:]]
        return sum(clocks) / len(clocks) if clocks else None


class RunningChip:
    """A simulated chip, fresh from reset; `BakedChip.simulator` starts it. Use it as a context manager: leaving it ends
    the simulator."""

    def __init__(
        self, chip: ChipSimulator, tokenizer: Tokenizer, context: int, eos: tuple[int, ...], golden: GoldenChip | None
    ):
        """golden: what to compare with, None for nothing."""
        self._chip, self._golden = chip, golden
        self._tokenizer, self._context, self._eos = tokenizer, context, eos

    def __enter__(self) -> "RunningChip":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._chip.__exit__(kind, error, at)

    def ask(
        self, prompt: str, tokens: int = TOKENS, temperature: float = 0.0, seed: int = 0, speculate: bool = True,
        *, on_token: Callable[[Token], None] | None = None,
    ) -> Simulation:  # fmt: skip
        """Its answer; arguments as in `BakedChip.simulate`. Nothing of an earlier prompt is left."""
        asked = Prompt.of(prompt, self._tokenizer, self._context)
        settings = asked.settings(tokens, temperature, seed, speculate)
        duel = _Duel(self._chip, self._golden, list(asked.ids), settings)
        found = heard(duel.tokens(), on_token)
        text = text_of((token.token for token in found), asked, self._tokenizer, self._eos)
        golden = None if self._golden is None else tuple(duel.golden)
        chip = self._chip
        return Simulation(asked, settings, found, golden, text, chip.cycles, chip.counters, duel.seconds)


class _Duel:
    """The chip and the golden chip on one prompt."""

    def __init__(self, chip: ChipSimulator, golden: GoldenChip | None, ids: list[int], settings: Settings):
        self.golden: list[GoldenToken] = []
        self.seconds = 0.0
        self._chip = chip.run(ids, settings)
        self._expected = None if golden is None else golden.generate(ids, settings)

    def tokens(self) -> Iterator[Token]:
        """The chip's tokens as they come; ends behind the first that differs."""
        while True:
            start = time.perf_counter()
            token = next(self._chip, None)
            self.seconds += time.perf_counter() - start
            expected = None if self._expected is None else next(self._expected, None)
            if expected is not None:
                self.golden.append(expected)
            if token is None:
                return
            yield token
            if self._expected is not None and (expected is None or differ(token, expected)):
                return


def differ(chip: Token, golden: GoldenToken) -> bool:
    """Whether they say something else of a token; only the chip knows its clocks."""
    fields = ("token", "last", "reason", "outcome", "proposal")
    return any(getattr(chip, name) != getattr(golden, name) for name in fields)


def build(folder: Path, jobs: int, progress: Progress) -> Path:
    """The simulator of a baked folder, with what the tools are doing as progress where it has to be built first."""
    built = simulator.executable_of(folder)
    if built.exists():
        return built
    compiled = 0

    def watch(line: str) -> None:
        nonlocal compiled
        if match := COMPILED.search(line):
            compiled += 1
            progress(TASK, 0, None, f"compiling file {compiled}: {Path(match[1]).name}")

    progress(TASK, 0, None, "verilator reads the chip")
    return simulator.build(folder, jobs, watch)
