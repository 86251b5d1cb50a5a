"""The hardware of a chip that was baked, made again from its manifest and its models."""

from ..quant.quantized import QuantizedModel
from ..rtl import assemble
from ..rtl.chip import Chip
from .folder.manifest import Manifest


def rebuild(manifest: Manifest, target: QuantizedModel, draft: QuantizedModel | None) -> Chip:
    """The chip of these models by the choices that the manifest has."""
    m, entry = manifest, manifest.draft
    if entry is None or draft is None:
        return assemble.chip(target, m.context, m.lanes, m.kv_heads_per_clock)
    return assemble.chip(target, m.context, m.lanes, m.kv_heads_per_clock, draft, entry.ahead, entry.kv_heads_per_clock)
