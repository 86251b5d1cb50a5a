"""hc1gen quantize: a checkpoint with every row on the 3-bit grid, without training."""

import time
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np

from ..api import Model, load
from ..api.calibration import text_tokens
from ..errors import InputError, problem
from ..frontend.evaluate import windows
from ..frontend.export import QUANTIZED, check_folder, write_checkpoint
from ..frontend.sampling import sample
from ..quant.posttrain import METHODS, USUAL, TensorReport, posttrain
from ..quant.sensitivity import choose, measure
from .bits import bits_option, tensor_bits
from .options import AT_LEAST_ONE, PATH, Finite, json_option
from .output import Output

WINDOW = 256
SENSITIVITY_TOKENS = 2048
TOKENS_PER_INPUT = 4
"""Fewer tokens for each input of the widest matrix say too little about what enters it."""


@click.command()
@click.argument("model", type=PATH)
@click.option("-o", "--out", type=PATH, required=True, help="Folder to write.")
@click.option("--method", type=click.Choice(list(METHODS)), default=USUAL, show_default=True,
              help="rtn: to the nearest; gptq: GPTQ; follow: GPTQ, descent, the float model's outputs.")  # fmt: skip
@click.option("--text", "texts", type=PATH, multiple=True, metavar="FILE",
              help="Text to calibrate on, UTF-8; repeatable [text that the model writes].")  # fmt: skip
@click.option("--tokens", type=AT_LEAST_ONE, default=32768, show_default=True, help="Tokens to calibrate on.")
@bits_option
@click.option("--budget", type=Finite(min=1), metavar="FACTOR",
              help="Give the most sensitive tensors more bits, up to so many times the full adders [1].")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the text it writes.")
@json_option
def quantize(
    model: Path,
    out: Path,
    method: str,
    texts: tuple[Path, ...],
    tokens: int,
    widths: tuple[str, ...],
    budget: float | None,
    seed: int,
    output: Output,
) -> None:
    """Round a model to 3 bits, without training, and write it as a checkpoint for hc1gen bake.

    MODEL is as for bake, or a .gguf file. Every row of every matrix, embedding and LM head becomes integers in -4..3
    or -3..4 times a scale; they have up to 6 bits where --bits or --budget says so.
    """  # fmt: skip
    if widths and budget is not None:
        raise click.UsageError("give --bits or --budget, not both")
    start = time.perf_counter()
    check_folder(out, QUANTIZED)
    checkpoint = load(model)
    bits = tensor_bits(widths, checkpoint.ir.untied())
    rows = calibration_rows(output, checkpoint, texts, tokens, seed)
    if budget is not None:
        bits = _within(output, checkpoint, rows, budget)
    layers = checkpoint.ir.config.layers
    with output.progress(f"quantising {checkpoint.ir.name}", layers) as progress:
        rounded, tensors = posttrain(checkpoint.ir, rows, METHODS[method], progress, bits)
    report = {
        "checkpoint": {"name": checkpoint.ir.name, "sha256": checkpoint.ir.sha256},
        "method": method,
        "calibration": {"texts": [file.name for file in texts], "tokens": int(rows.size), "seed": seed},
        "tensors": [asdict(tensor) for tensor in tensors],
    }
    tokenizer = checkpoint.tokenizer_json.decode()
    write_checkpoint(out, rounded, checkpoint.config_json, tokenizer, QUANTIZED, report)
    _show(output, out, tensors, rows.size, time.perf_counter() - start)
    output.result({"out": str(out), **report, "seconds": round(time.perf_counter() - start, 3)})


def calibration_rows(output: Output, checkpoint: Model, texts: tuple[Path, ...], tokens: int, seed: int) -> np.ndarray:
    """Windows int64 [N, T] of the texts, the same number of tokens from each, or of the model's own."""
    shape = checkpoint.ir.config
    length = min(WINDOW, shape.max_positions)
    widest = max(shape.hidden, shape.intermediate, shape.heads * shape.head_dim)
    least = TOKENS_PER_INPUT * widest
    if tokens < least:
        raise InputError(
            "--tokens",
            f"got {tokens}, expected {least} or more, {TOKENS_PER_INPUT} for each input of the widest matrix",
        )
    if not texts:
        count = -(-tokens // length)
        with output.progress("writing a text to calibrate on", length) as progress:
            return sample(checkpoint.ir, count, length, seed, lambda done: progress("", done))
    share, found = -(-tokens // len(texts)), []
    for file in texts:
        ids = text_tokens(checkpoint.tokenizer, file)[:share]
        found.append(windows(ids, length - (shape.bos is not None), shape.bos))
        if found[-1].size * len(texts) < least:
            got, expected = f"{len(ids)} tokens", f"{-(-least // len(texts))} or more"
            raise InputError(file, problem("calibration text", got, expected, "give a longer one, or leave --text out"))
    return np.concatenate(found)


def _within(output: Output, checkpoint: Model, rows: np.ndarray, budget: float) -> dict[str, int]:
    """Bits for the most sensitive tensors, measured on the first windows of the calibration text."""
    few = rows[: max(1, SENSITIVITY_TOKENS // rows.shape[1])]
    count = sum(1 for _ in checkpoint.ir.matrices())
    with output.progress("measuring how sensitive tensors are", count) as progress:
        return choose(measure(checkpoint.ir, few, progress), budget)


def _show(output: Output, out: Path, tensors: list[TensorReport], tokens: int, seconds: float) -> None:
    columns = ("tensor", "rows", "columns", "bits", "error of outputs", "the same, nearest", "zero weights")
    rows = [
        [t.name, t.rows, t.columns, t.bits, f"{t.error:.1%}", f"{t.rtn_error:.1%}", f"{t.zeros:.1%}"] for t in tensors
    ]
    output.table("error on the calibration text, root mean square relative to the outputs wanted", columns, rows)
    output.facts({"calibrated on": f"{tokens:,} tokens", "took": f"{seconds:.1f} s", "written to": str(out)})
