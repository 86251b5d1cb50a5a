"""hc1gen eval: what rounding costs, in nats per token on a text."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from ..errors import InputError, problem
from ..frontend import reference
from ..frontend.evaluate import nll, windows
from ..golden.model import GoldenModel
from .models import EMBEDDED, Calibration, Checkpoint, calibrated, numeric_config, text_tokens
from .options import AT_LEAST_ONE, PATH, calibration_options, json_option, set_option
from .output import Output

Logits = Callable[[np.ndarray], np.ndarray]


@click.command("eval")
@click.argument("model", type=PATH, default=EMBEDDED, metavar="[MODEL]")
@click.option("--text", type=PATH, required=True, help="Text file to predict, UTF-8.")
@click.option(
    "--tokens",
    type=AT_LEAST_ONE,
    default=20000,
    show_default=True,
    help="Tokens of it to use, rounded up to whole windows.",
)
@click.option("--window", type=AT_LEAST_ONE, default=255, show_default=True, help="Tokens behind each BOS.")
@calibration_options
@set_option
@json_option
def evaluate(
    model: Path, text: Path, tokens: int, window: int, calibration: Path | None, calibration_tokens: int,
    settings: tuple[str, ...], output: Output,
) -> None:  # fmt: skip
    """Cross-entropy of the float model, of its quantised weights in float, and of the integer golden model."""
    config = numeric_config(settings)
    checkpoint = Checkpoint.load(model)
    rows = text_windows(checkpoint, text, tokens, window)
    context = max(checkpoint.context(None), rows.shape[1] - 1)
    source = Calibration.read(checkpoint, calibration, calibration_tokens, context)
    integers = calibrated(output, checkpoint, config, context, source)
    golden = GoldenModel(integers, context)
    scale = 2.0**-integers.formats.logit_frac
    dequantized = integers.dequantize(checkpoint.ir)
    models: dict[str, Logits] = {
        "float": lambda row: reference.logits(checkpoint.ir, row),
        "quantized": lambda row: reference.logits(dequantized, row),
        "integer": lambda row: golden.session().forward(row) * scale,
    }
    fields = measure(output, models, rows)
    fields |= {"saturations": sum(golden.meter.saturations.values()), "windows": len(rows), "window": window}
    _show(output, fields)
    output.result(fields)


def text_windows(checkpoint: Checkpoint, text: Path, tokens: int, window: int) -> np.ndarray:
    """Windows of a text behind BOS; InputError where there is not one, or the model is too short for it."""
    shape = checkpoint.ir.config
    ids = text_tokens(checkpoint, text)[: -(-tokens // window) * window]
    rows = windows(ids, window, shape.bos)
    problems = []
    if not len(rows):
        problems.append(
            problem("text", f"{len(ids)} tokens", f"a window of {window} or more", "choose a smaller --window")
        )
    if not 1 <= rows.shape[1] - 1 <= shape.max_positions:
        least = 1 if shape.bos is not None else 2
        expected = f"{least} to {shape.max_positions + least - 1}, what the model can see"
        problems.append(problem("--window", window, expected, "choose a value in that range"))
    if problems:
        raise InputError(text, problems)
    return rows


def measure(output: Output, models: dict[str, Logits], rows: np.ndarray) -> dict[str, Any]:
    """JSON fields of each model over the same windows, and the differences."""
    losses: dict[str, list[float]] = {name: [] for name in models}
    with output.progress("evaluating", len(rows)) as progress:
        for done, row in enumerate(rows):
            for name, logits in models.items():
                losses[name].extend(nll(logits(row[:-1]), row[1:]))
            progress("", done + 1)
    fields: dict[str, Any] = {}
    for name, values in losses.items():
        mean = float(np.mean(values))
        perplexity = math.exp(mean) if mean < 700 else math.inf
        fields[name] = {"cross_entropy": mean, "perplexity": perplexity, "tokens": len(values)}
    entropy = {name: fields[name]["cross_entropy"] for name in models}
    fields["difference"] = {
        "quantized_minus_float": entropy["quantized"] - entropy["float"],
        "integer_minus_quantized": entropy["integer"] - entropy["quantized"],
    }
    return fields


def _show(output: Output, fields: dict[str, Any]) -> None:
    names = {"float": "float", "quantized": "3-bit weights, float", "integer": "integer golden model"}
    rows = [
        [label, *(fields[name][key] for key in ("cross_entropy", "perplexity", "tokens"))]
        for name, label in names.items()
    ]
    output.table("cross-entropy, nats per token", ("model", "cross-entropy", "perplexity", "tokens"), rows)
    output.facts(
        {
            "weights cost": f"{fields['difference']['quantized_minus_float']:+.4f} nats",
            "integers cost": f"{fields['difference']['integer_minus_quantized']:+.4f} nats",
            "saturated values": fields["saturations"],
        }
    )
