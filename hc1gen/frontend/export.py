"""ModelIR → a checkpoint folder in Hugging Face layout, whole or not at all."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex
from typing import Any

from safetensors.numpy import save_file

from hc1gen.errors import InputError, problem
from hc1gen.frontend.model import ModelIR

QUANTIZED, TRAINED = "quantization.json", "training.json"
"""Reports: one stands in a folder that `hc1gen quantize` or `hc1gen train` has written, and says how it was made."""


def check_folder(out: Path) -> None:
    """Raises InputError unless `out` is free, empty, or written by `write_checkpoint` before, and can be written."""
    todo = "choose another folder with -o"
    if out.exists() and not out.is_dir():
        raise InputError(out, problem("output", "a file", "a folder", todo))
    if out.is_dir() and any(out.iterdir()) and not any((out / report).is_file() for report in (QUANTIZED, TRAINED)):
        expected = "a new one, or one of quantize or train"
        raise InputError(out, problem("output", "a folder with other files", expected, todo))
    parent = next(p for p in Path(os.path.abspath(out)).parents if p.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(out, problem("output", f"{parent}, not to be written", "a folder that can be written", todo))


def write_checkpoint(
    out: Path, ir: ModelIR, config: dict[str, Any], tokenizer: str, report: str, fields: dict[str, Any],
    draw: Callable[[Path], None] | None = None,
) -> None:  # fmt: skip
    """Folder `out` with model.safetensors (F32), config.json, tokenizer.json, the report and what `draw` puts there.

    config: the fields of config.json, layers and tie being those of `ir`; tokenizer: the text of tokenizer.json;
    report: the name of the report, fields: what it says. The same input gives the same bytes.
    """
    check_folder(out)
    out = Path(os.path.abspath(out))
    out.parent.mkdir(parents=True, exist_ok=True)
    work = out.parent / f".{out.name}-{token_hex(4)}"
    try:
        work.mkdir()
        save_file({name: array.copy() for name, array in ir.tensors()}, work / "model.safetensors", {"format": "pt"})
        shape = {"num_hidden_layers": ir.config.layers, "tie_word_embeddings": ir.config.tied}
        (work / "config.json").write_text(_json(config | shape | {"torch_dtype": "float32"}), encoding="utf-8")
        (work / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
        (work / report).write_text(_json(fields), encoding="utf-8")
        if draw:
            draw(work)
        _replace(work, out)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _json(fields: dict[str, Any]) -> str:
    return json.dumps(fields, indent=2) + "\n"


def _replace(work: Path, out: Path) -> None:
    """Put `work` in the place of `out`; what was there is gone once it is."""
    if not out.exists():
        work.rename(out)
        return
    old = out.parent / f"{work.name}-old"
    out.rename(old)
    try:
        work.rename(out)
    except OSError:
        old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)
