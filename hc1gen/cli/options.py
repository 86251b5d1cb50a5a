"""Options that several commands share."""

import functools
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click

from ..api import Calibration
from ..api.answer import HIGHEST_TEMPERATURE, LOWEST_TEMPERATURE
from ..golden.calibrated import CALIBRATION_TOKENS
from ..golden.chip import AHEAD
from ..settings import SEED_BITS
from .output import Output

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

PATH = click.Path(path_type=Path)  # whether it exists is checked where the message can say what to do
AT_LEAST_ONE = click.IntRange(min=1)

json_option = click.option(
    "--json", "output", is_flag=True, callback=lambda ctx, param, value: Output(value),
    help="Print one JSON object on stdout and nothing else.",
)  # fmt: skip
context_option = click.option("--context", type=int, help="Positions in the KV cache [the model's, at most 512].")
lanes_option = click.option("--lanes", type=int, help="Elements in a beat [8, or the width of a narrower model].")
kv_heads_option = click.option("--kv-heads-per-clock", type=int, help="KV heads that attention handles at once [all].")
prompt_option = click.option("--prompt", required=True, help="Text to continue.")
jobs_option = click.option(
    "--jobs", type=AT_LEAST_ONE, default=lambda: os.cpu_count() or 1, show_default="processors",
    help="Compilers that run at the same time.",
)  # fmt: skip


def tokens_option(default: int) -> Decorator:
    """--tokens"""
    return click.option("--tokens", type=AT_LEAST_ONE, default=default, show_default=True, help="Tokens to generate.")


def calibration_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--calibration and --calibration-tokens as one: `calibration`."""

    @functools.wraps(command)
    def with_calibration(*args: Any, calibration: Path | None, calibration_tokens: int, **others: Any) -> Any:
        return command(*args, calibration=Calibration(calibration_tokens, calibration), **others)

    text = click.option(
        "--calibration", type=PATH, metavar="TEXTFILE", help="Text to calibrate on [text that the model writes]."
    )
    count = click.option(
        "--calibration-tokens",
        type=AT_LEAST_ONE,
        default=CALIBRATION_TOKENS,
        show_default=True,
        help="Tokens to calibrate on.",
    )
    return text(count(with_calibration))


def draft_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--draft and --ahead: `draft` and `ahead`, None where not given."""

    @click.option("--draft", type=PATH, metavar="MODEL", help="A smaller model that proposes tokens [none].")
    @click.option("--ahead", type=AT_LEAST_ONE, help=f"Tokens that the draft may run ahead of the model [{AHEAD}].")
    @functools.wraps(command)
    def with_draft(*args: Any, draft: Path | None, ahead: int | None, **others: Any) -> Any:
        if draft is None and ahead is not None:
            raise click.UsageError("--ahead is for a draft; name one with --draft")
        return command(*args, draft=draft, ahead=ahead, **others)

    return with_draft


class Finite(click.FloatRange):
    """A range that neither infinity nor NaN lies in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"got {value}, expected a number", param, ctx)
        return float(number)


class Manner(NamedTuple):
    """How an answer is to be spoken, in the order of the API's arguments; temperature: 0 for the likeliest tokens."""

    temperature: float
    seed: int
    speculate: bool


def _temperature(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    if value is None or LOWEST_TEMPERATURE <= value <= HIGHEST_TEMPERATURE:
        return value
    raise click.BadParameter(f"got {value}, expected {LOWEST_TEMPERATURE} to {HIGHEST_TEMPERATURE}")


def manner_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--mode, --temperature, --seed and --no-speculation as one: `manner`."""

    @click.option(
        "--mode", type=click.Choice(["greedy", "sample"]), default="greedy", show_default=True,
        help="Choose the likeliest token, or draw one.",
    )  # fmt: skip
    @click.option(
        "--temperature", type=float, callback=_temperature,
        help=f"With --mode sample: {LOWEST_TEMPERATURE} to {HIGHEST_TEMPERATURE}; higher is more surprising [1.0].",
    )  # fmt: skip
    @click.option(
        "--seed", type=click.IntRange(0, (1 << SEED_BITS) - 1),
        help="With --mode sample: seed of the random numbers; the same seed draws the same tokens [0].",
    )  # fmt: skip
    @click.option("--no-speculation", is_flag=True, help="Do not ask the draft; the chip must have one.")
    @functools.wraps(command)
    def with_manner(
        *args: Any, mode: str, temperature: float | None, seed: int | None, no_speculation: bool, **others: Any
    ) -> Any:
        if mode == "greedy":
            if temperature is not None or seed is not None:
                raise click.UsageError("--temperature and --seed are for --mode sample")
            return command(*args, manner=Manner(0.0, 0, not no_speculation), **others)
        manner = Manner(1.0 if temperature is None else temperature, seed or 0, not no_speculation)
        return command(*args, manner=manner, **others)

    return with_manner


def check_manner(manner: Manner, draft: bool) -> None:
    """Refuse --no-speculation where there is no `draft`."""
    if not manner.speculate and not draft:
        raise click.UsageError("--no-speculation is for a chip with a draft; this one has none")
