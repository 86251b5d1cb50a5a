"""hc1gen inspect: what is in a checkpoint, and what it would cost."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ..frontend.model import ModelIR
from ..network import llama
from ..rtl.transformer import Transformer
from .cost import COLUMNS, costs, estimates, table_rows, tensor_costs, token_fact
from .models import Checkpoint, numeric_config, quantized, usual_lanes
from .options import PATH, context_option, json_option, kv_heads_option, lanes_option, set_option
from .output import Output


@click.command()
@click.argument("model", type=PATH)
@lanes_option
@context_option
@kv_heads_option
@set_option
@json_option
def inspect(
    model: Path, lanes: int | None, context: int | None, kv_heads_per_clock: int | None, settings: tuple[str, ...],
    output: Output,
) -> None:  # fmt: skip
    """Show what is in a checkpoint and what it would cost as a chip. Writes nothing."""
    config = numeric_config(settings)
    checkpoint = Checkpoint.load(model)
    plan = checkpoint.plan(config, context, usual_lanes(lanes, checkpoint), kv_heads_per_clock)
    integers = quantized(output, checkpoint, config)
    cost = costs(Transformer(integers, llama(plan)))
    fields = {
        "checkpoint": {"name": checkpoint.ir.name, "sha256": checkpoint.ir.sha256},
        "model": asdict(checkpoint.ir.config),
        "parameters": sum(int(array.size) for _, array in checkpoint.ir.tensors()),
        **cost,
        **estimates(cost["weights"]),
        "tensors": tensor_costs(checkpoint.ir, integers),
    }
    _show(output, checkpoint.ir, fields)
    output.result(fields)


def _show(output: Output, ir: ModelIR, fields: dict[str, Any]) -> None:
    c = ir.config
    output.facts(
        {
            "checkpoint": f"{ir.name} {ir.sha256[:16]}",
            "shape": f"{c.layers} layers, {c.hidden} wide, MLP {c.intermediate}, {c.heads} heads of {c.head_dim}, "
            f"{c.kv_heads} KV heads, vocabulary {c.vocab}{' (tied)' if c.tied else ''}, {c.max_positions} positions",
            "parameters": fields["parameters"],
        }
    )
    columns = ("tensor", "rows", "columns", "bits", "weights", "zero weights", "full adders", "rounding error")
    rows = [[*list(entry.values())[:-1], f"{entry['error']:.1%}"] for entry in fields["tensors"]]
    output.table("matrices in the checkpoint", columns, rows)
    output.table("as tiles of the chip", COLUMNS, table_rows(fields))
    output.facts(
        {
            "KV cache": f"{fields['kv_bits']:,} bits, {fields['context']} positions",
            "embedding": f"{fields['embedding_bits']:,} bits of ROM",
            "clocks per token": token_fact(fields),
            "hc1gen bake": f"about {fields['bake_seconds_estimate']:,.0f} s",
            "simulator build": f"about {fields['build_seconds_estimate']:,.0f} s of one processor",
        }
    )
