"""The expected chip: what a bake makes of a checkpoint today, with the choices that a manifest records."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from ...errors import InputError, problem
from ...frontend.model import ModelIR
from ...quant import saved
from ...quant.quantized import QuantizedModel, quantize
from ...rtl.chip import Chip
from ...rtl.tiles import VIEWS
from ..bake import describe, entries
from ..folder.chip_folder import ChipFolder
from ..folder.layout import MANIFEST
from ..folder.manifest import Manifest, ModelEntry
from ..folder.modules import views_of
from ..rebuild import rebuild
from .difference import Difference, of_objects


def other_model(manifest: Manifest, target: ModelIR, draft: ModelIR | None) -> list[Difference]:
    """Yields the fields in which the shape of a model differs from the manifest. Then nothing else can be compared."""
    irs = [ir for ir in (target, draft) if ir is not None]
    return [
        replace(difference, kind="model")
        for path, entry, ir in zip(("", "draft."), manifest.models, irs, strict=False)
        for difference in of_objects(MANIFEST, _plain(asdict(entry.model)), _plain(asdict(ir.config)), f"{path}model")
    ]


def expected_chip(manifest: Manifest, target: ModelIR, draft: ModelIR | None) -> Chip:
    """Returns the chip of the checkpoints, quantised now, with the numeric config, formats and plan of the manifest.

    Raises `InputError` if these do not fit the checkpoints.
    """
    try:
        own, entry = _quantized(manifest, manifest, target), manifest.draft
        proposer = None if entry is None or draft is None else _quantized(manifest, entry, draft)
        chip = rebuild(manifest, own, proposer)
        chip.verify()
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(MANIFEST, f"cannot be used: {error!r}; bake the chip again") from error
    return chip


def _quantized(common: Manifest, own: ModelEntry, ir: ModelIR) -> QuantizedModel:
    """Returns a checkpoint quantised in the formats of the manifest.

    Its name is that in the manifest, because the folder of the checkpoint may have been renamed since.
    """
    return replace(quantize(ir, common.numeric_config, own.formats), name=own.checkpoint.name)


def expected_manifest(manifest: Manifest, chip: Chip) -> Manifest:
    """Returns the manifest that a bake of `chip` would write.

    The digests of the files and the version of hc1gen are copied from `manifest`. Raises `InputError` if the manifest
    names a view that does not exist.
    """
    unknown = [view for view in views_of(manifest.fabric) if view not in VIEWS]
    if unknown:
        raise InputError(MANIFEST, problem("fabric", unknown[0], " or ".join(VIEWS), "bake the chip again"))
    expected = describe(chip, manifest.fabric, entries(chip, manifest.fabric))
    return replace(expected, files=manifest.files, hc1gen=manifest.hc1gen)


def manifest_differences(folder: ChipFolder, expected: Manifest, chip: Chip) -> Iterator[Difference]:
    """Yields where the manifest and the saved quantised models differ from those of `chip`, made of the checkpoint."""
    yield from of_objects(MANIFEST, _plain(folder.manifest.to_json()), _plain(expected.to_json()))
    for entry, transformer in zip(expected.models, chip.transformers, strict=True):
        path = folder.file(entry.quantized_model)
        if path.is_file() and path.read_bytes() != saved.to_bytes(transformer.model):
            yield Difference("model", entry.quantized_model, "not the checkpoint as quantised")


def _plain(value: Any) -> Any:
    """Returns a value as it is after writing and reading JSON: tuples become lists."""
    return json.loads(json.dumps(value))
