"""hc1gen bake: from a checkpoint to Verilog."""

import resource
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ..api import Calibration
from ..api.choices import default_context
from ..api.plan import FABRICS
from ..backend.folder.target import check_target
from .chips import Wanted
from .cost import COLUMNS, cost_fields, table_rows, token_fact
from .options import (
    PATH,
    calibration_options,
    context_option,
    draft_options,
    json_option,
    kv_heads_option,
    lanes_option,
)
from .output import Output
from .widths import numeric_config, set_option

OUT = Path("rtl_out")


@click.command()
@click.argument("model", type=PATH)
@click.option("-o", "--out", type=PATH, help="Folder to write [rtl_out/NAME of the model's folder].")
@draft_options
@lanes_option
@context_option
@kv_heads_option
@click.option(
    "--fabric",
    type=click.Choice(FABRICS),
    default="behavioural",
    show_default=True,
    help="View of the tiles: behavioural to simulate, structural (adders) to synthesise.",
)
@calibration_options
@set_option
@json_option
def bake(
    model: Path, out: Path | None, draft: Path | None, ahead: int | None, lanes: int | None, context: int | None,
    kv_heads_per_clock: int | None, fabric: str, calibration: Calibration, settings: tuple[str, ...],
    output: Output,
) -> None:  # fmt: skip
    """Turn a checkpoint into a folder of Verilog.

    MODEL is a .safetensors file, its index, or a folder with either; config.json and tokenizer.json lie beside it.
    Or it is a .gguf file.
    """
    wanted = Wanted.of(
        model, draft, numeric_config(settings), calibration, ahead=ahead, context=context, lanes=lanes,
        kv_heads_per_clock=kv_heads_per_clock,
    )  # fmt: skip
    out = out or OUT / (wanted.target.name or "model")
    check_target(out)
    note_context(output, wanted, context)
    output.result(run(output, wanted, out, fabric))


def note_context(output: Output, wanted: Wanted, asked: int | None) -> None:
    """Say so where the draft has fewer positions than the target would have had."""
    positions, alone = wanted.choices.context, default_context(wanted.target) if asked is None else asked
    if positions < alone:
        output.note(f"the context is {positions} instead of {alone}: the draft has no more positions")


def run(output: Output, wanted: Wanted, out: Path, fabric: str = "behavioural") -> dict[str, Any]:
    """Bake, show what came out, and return the JSON fields."""
    start = time.perf_counter()
    plan = wanted.plan(output)
    with output.tasks() as progress:
        chip = plan.bake(out, fabric, progress)
    verilog, models = chip.folder.verilog, [asdict(model.checkpoint) for model in chip.manifest.models]
    draft = plan.draft_costs
    fields = {
        "out": str(out),
        "checkpoint": models[0],
        **cost_fields(plan.costs),
        "draft": None if draft is None else {"checkpoint": models[1], "ahead": plan.ahead, **cost_fields(draft)},
        "files": len(verilog),
        "lines": sum(path.read_bytes().count(b"\n") for path in verilog),
        "bytes": sum(path.stat().st_size for path in verilog),
        "calibration_tokens": plan.target.calibration_tokens,
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
        output.table(f"{name}, its draft, which proposes up to {ahead} tokens ahead", COLUMNS, table_rows(draft))
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
