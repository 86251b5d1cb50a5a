"""ModelIR → a checkpoint folder in Hugging Face layout, whole or not at all."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex
from tempfile import mkdtemp
from typing import Any

from safetensors.numpy import save

from hc1gen.errors import InputError, problem
from hc1gen.frontend.model import ModelIR

QUANTIZED, TRAINED = "quantization.json", "training.json"
"""Reports: one stands in a folder that `hc1gen quantize` or `hc1gen train` has written, and says how it was made."""


def check_folder(out: Path, replaced: str = "") -> None:
    """Raises InputError unless `out` can be written and is new, empty, or holds the report `replaced`."""
    todo = "choose another folder with -o"
    if out.exists() and not out.is_dir():
        raise InputError(out, problem("output", "a file", "a folder", todo))
    if out.is_dir() and any(out.iterdir()) and not (replaced and (out / replaced).is_file()):
        held = next((name for name in (QUANTIZED, TRAINED) if (out / name).is_file()), "other files")
        raise InputError(out, problem("output", f"a folder with {held}", "a new one", f"remove it, or {todo}"))
    parent = next(p for p in Path(os.path.abspath(out)).parents if p.exists())
    try:
        os.rmdir(mkdtemp(dir=parent))
    except OSError as error:
        wanted = "a folder that can be written"
        raise InputError(out, problem("output", f"{parent}: {error.strerror}", wanted, todo)) from error


def write_checkpoint(
    out: Path, ir: ModelIR, config: dict[str, Any], tokenizer: str, report: str, fields: dict[str, Any],
    draw: Callable[[Path], None] | None = None,
) -> None:  # fmt: skip
    """Folder `out` with model.safetensors (F32), config.json, tokenizer.json, the report and what `draw` puts there.

    config: the fields of config.json, layers and tie being those of `ir`; tokenizer: the text of tokenizer.json;
    report: the name of the report, fields: what it says. The same input gives the same bytes.
    """
    check_folder(out, report)
    out = Path(os.path.abspath(out))
    out.parent.mkdir(parents=True, exist_ok=True)
    work = out.parent / f".{out.name}-{token_hex(4)}"
    try:
        work.mkdir()
        tensors = {name: array.copy() for name, array in ir.tensors()}
        (work / "model.safetensors").write_bytes(save(tensors, {"format": "pt"}))
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
