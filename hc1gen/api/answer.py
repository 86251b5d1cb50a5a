"""A prompt, how it is to be answered, and what the golden model answers."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from ..errors import InputError, problem
from ..frontend.tokenizer import Streamer, Tokenizer
from ..golden.chip import GoldenChip, Token
from ..numeric.numerics import TEMPERATURE_FRAC
from ..reason import Reason
from ..settings import SEED_BITS, Settings

LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 15.99
"""Of a token that is drawn; 0 stands for the likeliest token."""
TOKENS = 64
"""Of an answer, unless another number is asked for."""
T = TypeVar("T")


@dataclass(frozen=True)
class Prompt:
    """A text and its token ids, BOS included; room: how many tokens of an answer the context has room for."""

    text: str
    ids: tuple[int, ...]
    room: int

    @classmethod
    def of(cls, text: str, tokenizer: Tokenizer, context: int) -> "Prompt":
        """`InputError` where the text does not fit the vocabulary or the context."""
        ids = tokenizer.encode(text)
        if len(ids) > context:
            taken, expected = f"{len(ids)} tokens", f"at most {context}"
            raise InputError("prompt", problem("length", taken, expected, "shorten the prompt"))
        return cls(text, tuple(ids), context - len(ids) + 1)  # the last token of an answer needs no position

    def settings(self, tokens: int, temperature: float, seed: int, speculate: bool) -> Settings:
        """How to answer, as a chip is told; `InputError` that names every value out of its range."""
        problems = []
        if tokens < 1:
            problems.append(problem("tokens", tokens, "1 or more", "ask for one at least"))
        if temperature != 0 and not LOWEST_TEMPERATURE <= temperature <= HIGHEST_TEMPERATURE:
            expected = f"{LOWEST_TEMPERATURE} to {HIGHEST_TEMPERATURE}, or 0"
            problems.append(problem("temperature", temperature, expected, "0 means the likeliest token"))
        if not 0 <= seed < 1 << SEED_BITS:
            problems.append(problem("seed", seed, f"0 to {(1 << SEED_BITS) - 1}", "take one of that range"))
        if problems:
            raise InputError("answer", problems)
        fixed = round(temperature * (1 << TEMPERATURE_FRAC))
        return Settings(0 if tokens > self.room else tokens, fixed, seed, speculate)


@dataclass(frozen=True)
class Answer:
    """What the golden model says to a prompt. text: of the tokens, EOS left out; saturations: values that did not fit
    their formats while it spoke; seconds: how long that took."""

    prompt: Prompt
    settings: Settings
    tokens: tuple[Token, ...]
    text: str
    saturations: int
    seconds: float

    @property
    def reason(self) -> Reason:
        """Why it ended."""
        return self.tokens[-1].reason


def text_of(tokens: Iterable[int], prompt: Prompt, tokenizer: Tokenizer, eos: tuple[int, ...]) -> str:
    """The text of an answer."""
    streamer = Streamer(tokenizer, prompt.ids)
    pieces = [streamer.push(token) for token in tokens if token not in eos]
    return "".join([*pieces, streamer.finish()])


def heard(tokens: Iterable[T], on_token: Callable[[T], None] | None) -> tuple[T, ...]:
    """All tokens; `on_token` hears each one as soon as it is there."""
    found = []
    for token in tokens:
        found.append(token)
        if on_token is not None:
            on_token(token)
    return tuple(found)


def golden_answer(
    chip: GoldenChip, tokenizer: Tokenizer, prompt: Prompt, settings: Settings,
    on_token: Callable[[Token], None] | None = None,
) -> Answer:  # fmt: skip
    """Let a golden chip answer."""
    before, start = _saturations(chip), time.perf_counter()
    tokens = heard(chip.generate(list(prompt.ids), settings), on_token)
    seconds = time.perf_counter() - start
    text = text_of((token.token for token in tokens), prompt, tokenizer, chip.target.model.model.eos)
    return Answer(prompt, settings, tokens, text, _saturations(chip) - before, seconds)


def _saturations(chip: GoldenChip) -> int:
    """Since the golden models were made."""
    models = [chip.target] if chip.draft is None else [chip.target, chip.draft]
    return sum(sum(model.observer.saturations.values()) for model in models)
