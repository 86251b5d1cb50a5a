"""hc1gen bake: from a checkpoint to Verilog."""

import resource
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click

from ..backend import bake as backend
from ..backend.folder.modules import BOTH
from ..backend.folder.target import check_target
from ..network import Plan, llama
from ..numeric.config import NumericConfig
from ..rtl.chip import DRAFT, Chip
from ..rtl.tiles import VIEWS
from ..rtl.transformer import Transformer
from .cost import COLUMNS, costs, table_rows, token_fact
from .models import Calibration, Checkpoint, calibrated, check_draft, numeric_config, usual_lanes
from .options import (
    PATH,
    calibration_options,
    context_option,
    draft_options,
    json_option,
    kv_heads_option,
    lanes_option,
    set_option,
)
from .output import Output

OUT = Path("rtl_out")


@dataclass(frozen=True)
class Part:
    """A model to be baked: its checkpoint, the plan of its hardware, and what to calibrate it on."""

    checkpoint: Checkpoint
    plan: Plan
    calibration: Calibration

    def transformer(self, output: Output, config: NumericConfig) -> Transformer:
        """Quantised and calibrated."""
        context = self.plan.n.context
        model = calibrated(output, self.checkpoint, config, context, self.calibration)
        return Transformer(model, llama(replace(self.plan, n=model.numerics(context))))


@dataclass(frozen=True)
class Order:
    """A bake that nothing speaks against: everything that can be refused has been looked at."""

    config: NumericConfig
    target: Part
    draft: Part | None
    ahead: int
    out: Path
    fabric: str = "behavioural"


def order(
    model: Path, draft: Path | None, ahead: int | None, out: Path | None, lanes: int | None, context: int | None,
    kv_heads_per_clock: int | None, calibration: Path | None, calibration_tokens: int, config: NumericConfig,
    fabric: str = "behavioural",
) -> Order:  # fmt: skip
    """Look at everything that `bake` is asked for. Raises `InputError` for whatever does not fit."""
    target, proposer = Checkpoint.load(model), None if draft is None else Checkpoint.load(draft)
    both = [target] if proposer is None else [target, proposer]
    positions, width = min(each.context(context) for each in both), usual_lanes(lanes, *both)
    steps = 0 if proposer is None else check_draft(target, proposer, ahead, positions)
    out = out or OUT / (target.ir.name or "model")
    check_target(out)

    def part(checkpoint: Checkpoint, prefix: str) -> Part:
        heads = kv_heads_per_clock
        if prefix and heads is not None:
            heads = min(heads, checkpoint.ir.config.kv_heads)
        plan = checkpoint.plan(config, positions, width, heads, prefix)
        return Part(checkpoint, plan, Calibration.read(checkpoint, calibration, calibration_tokens, positions))

    if proposer is None:
        return Order(config, part(target, ""), None, 0, out, fabric)
    return Order(config, part(target, ""), part(proposer, DRAFT), steps, out, fabric)


@click.command()
@click.argument("model", type=PATH)
@click.option("-o", "--out", type=PATH, help="Folder to write [rtl_out/NAME of the model's folder].")
@draft_options
@lanes_option
@context_option
@kv_heads_option
@click.option(
    "--fabric",
    type=click.Choice([*VIEWS, BOTH]),
    default="behavioural",
    show_default=True,
    help="How the tiles are written: counts to simulate, adders to synthesise.",
)
@calibration_options
@set_option
@json_option
def bake(
    model: Path, out: Path | None, draft: Path | None, ahead: int | None, lanes: int | None, context: int | None,
    kv_heads_per_clock: int | None, fabric: str, calibration: Path | None, calibration_tokens: int,
    settings: tuple[str, ...], output: Output,
) -> None:  # fmt: skip
    """Turn a checkpoint into a folder of Verilog.

    MODEL is a .safetensors file, its index, or a folder with either; config.json and tokenizer.json stand beside it.
    """
    config = numeric_config(settings)
    asked = order(
        model, draft, ahead, out, lanes, context, kv_heads_per_clock, calibration, calibration_tokens, config,
        fabric,
    )  # fmt: skip
    note_context(output, asked, context)
    output.result(run(output, asked))


def note_context(output: Output, order: Order, wanted: int | None) -> None:
    """Say so where the draft has fewer positions than the target would have had."""
    positions, alone = order.target.plan.n.context, order.target.checkpoint.context(wanted)
    if positions < alone:
        output.note(f"the context is {positions} instead of {alone}: the draft has no more positions")


def run(output: Output, order: Order) -> dict[str, Any]:
    """Bake, show what came out, and return the JSON fields."""
    start = time.perf_counter()
    draft = None if order.draft is None else order.draft.transformer(output, order.config)
    chip = Chip(order.target.transformer(output, order.config), draft, order.ahead)
    with output.stages() as progress:
        baked = backend.bake(
            chip, order.out, order.target.checkpoint.tokenizer_file.read_bytes(), progress, order.fabric
        )
    verilog, models = baked.verilog, [asdict(model.checkpoint) for model in baked.manifest.models]
    fields = {
        "out": str(order.out),
        "checkpoint": models[0],
        **costs(chip.target),
        "draft": None if draft is None else {"checkpoint": models[1], "ahead": order.ahead, **costs(draft)},
        "files": len(verilog),
        "lines": sum(path.read_bytes().count(b"\n") for path in verilog),
        "bytes": sum(path.stat().st_size for path in verilog),
        "calibration_tokens": order.target.calibration.count,
        "seconds": round(time.perf_counter() - start, 3),
        "peak_memory_bytes": peak_memory(),
    }
    _show(output, fields)
    return fields


def _show(output: Output, fields: dict[str, Any]) -> None:
    output.table(f"{fields['checkpoint']['name']} as a chip", COLUMNS, table_rows(fields))
    draft = fields["draft"]
    if draft:
        name, ahead = draft["checkpoint"]["name"], draft["ahead"]
        output.table(f"{name}, its draft, up to {ahead} tokens ahead", COLUMNS, table_rows(draft))
    kv_bits = fields["kv_bits"] + (draft["kv_bits"] if draft else 0)
    output.facts(
        {
            "KV cache": f"{kv_bits:,} bits, {fields['context']} positions",
            "clocks per token": token_fact(fields),
            "Verilog": f"{fields['files']} files, {fields['lines']:,} lines, {fields['bytes'] / 1e6:.1f} MB",
            "took": f"{fields['seconds']:.1f} s, {fields['peak_memory_bytes'] / 2**20:.0f} MiB at most",
            "written to": fields["out"],
        }
    )


def peak_memory() -> int:
    """Bytes: the most this process has held, and the most that one of its children has."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
