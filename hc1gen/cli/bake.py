"""hc1gen bake: from a checkpoint to Verilog."""

import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ..backend import bake as backend
from ..quant.config import NumericConfig
from ..rtl.plan import Plan
from .cost import COLUMNS, costs, table_rows
from .models import Calibration, Checkpoint, calibrated, numeric_config
from .options import (
    PATH,
    calibration_options,
    context_option,
    json_option,
    kv_heads_option,
    lanes_option,
    set_option,
)
from .output import Output

OUT = Path("rtl_out")


@dataclass(frozen=True)
class Order:
    """A bake that nothing speaks against: everything that can be refused has been looked at."""

    checkpoint: Checkpoint
    config: NumericConfig
    plan: Plan
    calibration: Calibration
    out: Path


@click.command()
@click.argument("model", type=PATH)
@click.option("-o", "--out", type=PATH, help="Folder to write [rtl_out/NAME of the model's folder].")
@lanes_option
@context_option
@kv_heads_option
@calibration_options
@set_option
@json_option
def bake(
    model: Path, out: Path | None, lanes: int, context: int | None, kv_heads_per_clock: int | None,
    calibration: Path | None, calibration_tokens: int, settings: tuple[str, ...], output: Output,
) -> None:  # fmt: skip
    """Turn a checkpoint into a folder of Verilog.

    MODEL is a .safetensors file, its index, or a folder with either; config.json and tokenizer.json stand beside it.
    """
    config = numeric_config(settings)
    checkpoint = Checkpoint.load(model)
    plan = checkpoint.plan(config, context, lanes, kv_heads_per_clock)
    out = out or OUT / (checkpoint.ir.name or "model")
    backend.check_target(out)
    text = Calibration.read(checkpoint, calibration, calibration_tokens, plan.n.context)
    fields = run(output, Order(checkpoint, config, plan, text, out))
    output.result(fields)


def run(output: Output, order: Order) -> dict[str, Any]:
    """Bake, show what came out, and return the JSON fields."""
    start = time.perf_counter()
    source = order.checkpoint
    model = calibrated(output, source, order.config, order.plan.n.context, order.calibration)
    plan = Plan(model.numerics(order.plan.n.context), order.plan.lanes, order.plan.kv_heads_per_clock)
    with output.progress("writing Verilog", total=1) as progress:
        manifest = backend.bake(model, plan, order.out, source.tokenizer_file, progress)
    verilog = [order.out / path for path in manifest["files"] if path.endswith((".v", ".sv"))]
    fields = {
        "out": str(order.out),
        "checkpoint": manifest["checkpoint"],
        **costs(model, plan),
        "files": len(verilog),
        "lines": sum(path.read_bytes().count(b"\n") for path in verilog),
        "bytes": sum(path.stat().st_size for path in verilog),
        "calibration_tokens": order.calibration.count,
        "seconds": round(time.perf_counter() - start, 3),
        "peak_memory_bytes": peak_memory(),
    }
    _show(output, fields)
    return fields


def _show(output: Output, fields: dict[str, Any]) -> None:
    output.table(f"{fields['checkpoint']['name']} as a chip", COLUMNS, table_rows(fields))
    output.facts(
        {
            "KV cache": f"{fields['kv_bits']:,} bits, {fields['context']} positions",
            "Verilog": f"{fields['files']} files, {fields['lines']:,} lines, {fields['bytes'] / 1e6:.1f} MB",
            "took": f"{fields['seconds']:.1f} s, {fields['peak_memory_bytes'] / 2**20:.0f} MiB at most",
            "written to": fields["out"],
        }
    )


def peak_memory() -> int:
    """Bytes: the most this process has held, and the most that one of its children has."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
