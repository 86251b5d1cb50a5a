"""hc1gen train: from a float model to one whose weights lie on the chip's grid, or to a draft."""

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from ..train.require import require_torch
from .bits import bits_option, tensor_bits
from .options import AT_LEAST_ONE, PATH, Finite, json_option
from .output import Output
from .widths import numeric_config, set_option

if TYPE_CHECKING:
    from ..train.state import State

RATE, CUT_RATE = 1e-3, 1e-2
"""A model that has lost layers has far to go: drafts get the better the higher the rate, up to here."""
LINES = 60.0
"""Seconds between lines of progress where stderr is no terminal."""


@click.command()
@click.argument("model", type=PATH)
@click.option("-o", "--out", type=PATH, required=True, help="Folder to write the trained checkpoint to.")
@click.option(
    "--text", "texts", type=PATH, multiple=True, help="Text to train on, or a .npy of token ids; repeatable [none]."
)
@click.option(
    "--own-samples", type=click.IntRange(min=0), default=5120, show_default=True,
    help="Number of texts that the teacher writes to train on.",
)  # fmt: skip
@click.option("--validation", type=PATH, multiple=True, metavar="FILE",
              help="Text to validate on, or a .npy of token ids; repeatable [the end of --text].")  # fmt: skip
@click.option(
    "--validation-windows", type=AT_LEAST_ONE, default=100, show_default=True,
    help="Validate on at most so many windows of each text.",
)  # fmt: skip
@click.option("--teacher", type=PATH, metavar="MODEL", help="Imitate this quantised model, as its chip computes.")
@bits_option
@click.option("--layers", type=AT_LEAST_ONE, help="Keep only this many of the model's first layers [all].")
@click.option("--minutes", type=Finite(min=0, min_open=True), help="Minutes to train [60].")
@click.option("--steps", type=AT_LEAST_ONE, help="Steps to train, instead of --minutes.")
@click.option("--batch", type=AT_LEAST_ONE, default=8, show_default=True, help="Windows of a step.")
@click.option("--window", type=AT_LEAST_ONE, default=255, show_default=True, help="Tokens of a window.")
@click.option("--rate", type=Finite(min=0, min_open=True),
              help=f"Highest learning rate [{RATE:g}; {CUT_RATE:g} with --layers].")  # fmt: skip
@click.option(
    "--loss", type=click.Choice(["divergence", "acceptance"]),
    help="What to train for [divergence; acceptance with --teacher].",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the order of the data.")
@click.option("--device", default="cpu", show_default=True, help="Where to train: cpu or cuda.")
@click.option("--threads", type=AT_LEAST_ONE, help="Threads of the CPU [torch's choice].")
@click.option("--compile/--no-compile", "compiled", default=True, show_default=True,
              help="Compile the training step; needs a C++ compiler.")  # fmt: skip
@set_option
@json_option
def train(out: Path, settings: tuple[str, ...], output: Output, threads: int | None, **wanted: Any) -> None:
    """Train MODEL for the chip: 3-bit weights, with the chip's own arithmetic in every step.

    An interrupted run goes on where it was when the same command is given again.
    """
    require_torch()
    import torch

    from ..train.run import run, state_folder

    if threads is not None:
        torch.set_num_threads(threads)
    order = _order(numeric_config(settings), **wanted)
    try:
        with _Shown(output) as shown:
            fields = run(order, out, shown.task, shown.step)
    except KeyboardInterrupt:
        if (kept := state_folder(out)).is_dir():
            output.note(f"{kept} holds the run as it was last saved; the same command goes on from there")
        raise
    fields["out"] = str(out)
    _show(output, fields)
    output.result(fields)


def _order(
    config: Any, model: Path, teacher: Path | None, layers: int | None, minutes: float | None, steps: int | None,
    rate: float | None, loss: str | None, device: str, compiled: bool, own_samples: int, widths: tuple[str, ...],
    **others: Any,
) -> Any:  # fmt: skip
    """Everything that is asked for, read and looked at."""
    from ..train.attention import prepare
    from ..train.loop import Recipe
    from ..train.run import Order, beginning, load

    if minutes is not None and steps is not None:
        raise click.UsageError("give --minutes or --steps, not both")
    ir, tokenizer, folder = load(model)
    imitated = None
    if teacher is not None:
        imitated, other, _ = load(teacher)
        if difference := tokenizer.difference(other):
            raise click.UsageError(f"--teacher {teacher}: {difference}; take a teacher with the model's tokenizer")
    elif layers is not None:
        raise click.UsageError("--layers makes a draft; name the model that it is for with --teacher")
    device = _device(device)
    compiled = compiled and (device == "cuda" or prepare())
    loss = loss or ("divergence" if teacher is None else "acceptance")
    rate = rate or (RATE if layers is None else CUT_RATE)
    student = beginning(ir, layers)
    recipe = Recipe(steps, minutes if steps else minutes or 60.0, rate, loss)
    return Order(
        folder, student, tokenizer, imitated, recipe, config, tensor_bits(widths, student), own=own_samples,
        device=device, compiled=compiled, **others,
    )  # fmt: skip


def _device(name: str) -> str:
    import torch

    if name not in ("cpu", "cuda"):
        raise click.UsageError(f"--device: got {name}, expected cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise click.UsageError("--device cuda: torch finds no GPU; leave it out, or install torch for yours")
    return name


class _Shown:
    """A bar for what is being done; where stderr is no terminal, a line now and then."""

    def __init__(self, output: Output):
        self.output, self._tasks = output, output.tasks()
        self._next, self._validated = 0.0, 0

    def __enter__(self) -> "_Shown":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._tasks.__exit__(kind, error, at)

    def task(self, what: str, done: int, total: int, detail: str = "") -> None:
        """A bar of its own for everything that is done; `total` is 0 where it is not known."""
        self._tasks(what, done, total or None, detail)

    def step(self, state: "State", left: float | None) -> None:
        detail = f"loss {state.recent:.4f}"
        if left is not None:
            detail += f", {left / 60:.1f} minutes left"
        self.task("training", state.step, state.steps, detail)
        if len(state.curve) > self._validated:
            self._validated = len(state.curve)
            at, found = state.curve[-1]
            figures = ", ".join(f"{name} {value:.4f}" for name, value in found.items())
            self.output.note(f"step {at:,}: integer golden model, nats per token: {figures}")
        if not self.output.draws and state.seconds >= self._next:
            self._next = state.seconds + LINES
            self.output.note(f"step {state.step:,} of {f'{state.steps:,}' if state.steps else '?'}, {detail}")


def _show(output: Output, fields: dict[str, Any]) -> None:
    columns = ("teacher", "integer", "difference", "acceptance", "tokens")
    kept = [c for c in columns if any(c in row for row in fields["validation"].values())]
    rows = [[name, *(row[c] for c in kept)] for name, row in fields["validation"].items()]
    output.table("held-out text, nats per token, integer golden model", ("text", *kept), rows)
    output.facts({"steps": fields["steps"], "minutes": fields["seconds"] / 60, "written to": fields["out"]})
