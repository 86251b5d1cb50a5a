"""Options that several commands share."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from .output import Output

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

PATH = click.Path(path_type=Path)  # whether it exists is checked where the message can say what to do
AT_LEAST_ONE = click.IntRange(min=1)

json_option = click.option(
    "--json", "output", is_flag=True, callback=lambda ctx, param, value: Output(value),
    help="Print one JSON object on stdout and nothing else.",
)  # fmt: skip
context_option = click.option("--context", type=int, help="Positions of the KV cache [the model's, at most 512].")
lanes_option = click.option("--lanes", type=int, default=16, show_default=True, help="Elements per clock, 1 to hidden.")
kv_heads_option = click.option("--kv-heads-per-clock", type=int, help="KV heads attended to at once [all].")
set_option = click.option(
    "--set", "settings", multiple=True, metavar="FIELD=VALUE", help="A width of the numeric config."
)
prompt_option = click.option("--prompt", required=True, help="Text to continue.")
jobs_option = click.option(
    "--jobs", type=AT_LEAST_ONE, default=lambda: os.cpu_count() or 1, show_default="processors",
    help="Compilers at a time.",
)  # fmt: skip


def tokens_option(default: int) -> Decorator:
    """--tokens"""
    return click.option("--tokens", type=AT_LEAST_ONE, default=default, show_default=True, help="Tokens to generate.")


def calibration_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--calibration and --calibration-tokens"""
    text = click.option(
        "--calibration", type=PATH, metavar="TEXTFILE", help="Calibrate on this [on the model's own text]."
    )
    count = click.option(
        "--calibration-tokens", type=AT_LEAST_ONE, default=512, show_default=True, help="Tokens to calibrate on."
    )
    return text(count(command))
