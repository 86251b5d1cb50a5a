"""The chip that a checkpoint should have become, by the choices in a manifest."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ...errors import InputError, problem
from ...frontend.jsonfile import read_object
from ...frontend.model import ModelIR
from ...network import Plan, llama
from ...quant import saved
from ...quant.config import NumericConfig
from ...quant.quantized import quantize
from ...rtl.chip import DRAFT, Chip
from ...rtl.transformer import Transformer
from ..bake import DRAFT_MODEL, FORMAT, MANIFEST, MODEL, describe, is_baked
from .difference import Difference, of_objects

Manifest = Mapping[str, Any]


def read_manifest(rtl_dir: Path) -> dict[str, Any]:
    """`InputError` where there is none of this format."""
    if not is_baked(rtl_dir):
        raise InputError(rtl_dir, f"not a baked chip: {MANIFEST} is missing, damaged or not hc1gen's; run hc1gen bake")
    manifest = read_object(rtl_dir / MANIFEST)
    if manifest.get("format") != FORMAT:
        raise InputError(rtl_dir / MANIFEST, problem("format", manifest.get("format"), FORMAT, "bake the chip again"))
    return manifest


def other_model(manifest: Manifest, target: ModelIR, draft: ModelIR | None) -> list[Difference]:
    """Shapes that differ: then nothing else can be compared."""
    pairs = [("", manifest["model"], target)] + ([("draft.", manifest["draft"]["model"], draft)] if draft else [])
    return [
        replace(difference, kind="model")
        for path, found, ir in pairs
        for difference in of_objects(MANIFEST, found, _plain(asdict(ir.config)), f"{path}model")
    ]


def expected_chip(manifest: Manifest, target: ModelIR, draft: ModelIR | None) -> Chip:
    """The checkpoints as quantised now, in the numeric config, formats and shape of the manifest.

    `InputError` where the manifest does not hold these.
    """
    try:
        own = _transformer(manifest, manifest, target, "")
        other = None if draft is None else _transformer(manifest, manifest["draft"], draft, DRAFT)
        chip = Chip(own, other, 0 if draft is None else manifest["draft"]["ahead"])
        chip.verify()
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(MANIFEST, f"cannot be used: {error!r}; bake the chip again") from error
    return chip


def _transformer(common: Manifest, own: Manifest, ir: ModelIR, prefix: str) -> Transformer:
    config = NumericConfig(**common["numeric_config"])
    model = quantize(ir, config, saved.formats(own["formats"]))
    model = replace(model, name=own["checkpoint"]["name"])  # the folder may be called otherwise today
    plan = Plan(model.numerics(common["context"]), common["lanes"], own["kv_heads_per_clock"], prefix)
    return Transformer(model, llama(plan))


def manifest_differences(rtl_dir: Path, manifest: Manifest, chip: Chip) -> Iterator[Difference]:
    """What the manifest and the saved models say otherwise than the checkpoint."""
    expected = _plain(describe(chip))
    said = {key: value for key, value in manifest.items() if key not in ("files", "hc1gen")}
    expected.pop("hc1gen")
    yield from of_objects(MANIFEST, said, expected)
    for name, transformer in zip((MODEL, DRAFT_MODEL), chip.transformers, strict=False):
        path = rtl_dir / name
        if path.is_file() and path.read_bytes() != saved.to_bytes(transformer.model):
            yield Difference("model", name, "not the checkpoint as quantised")


def _plain(value: Any) -> Any:
    """As JSON has it."""
    return json.loads(json.dumps(value))
