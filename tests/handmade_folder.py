"""A baked folder made by hand, with a manifest in which nothing is missing."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hc1gen.backend.folder import layout
from hc1gen.backend.folder.chip_folder import ChipFolder
from hc1gen.backend.folder.manifest import (
    FORMAT,
    CheckpointSource,
    DraftEntry,
    Manifest,
    Merkle,
    MerkleLeaf,
    Roles,
    TileContent,
    TileKind,
)
from hc1gen.backend.folder.modules import Module
from hc1gen.backend.folder.writer import FolderWriter
from hc1gen.frontend.model import ModelConfig
from hc1gen.numeric.config import Formats, NumericConfig

DIGEST = "0" * 64


def model_entry(saved: str, tiles: Sequence[TileContent] = ()) -> dict[str, Any]:
    """Fields of a model's entry."""
    return {
        "checkpoint": CheckpointSource("made", DIGEST),
        "quantized_model": saved,
        "model": ModelConfig(4, 8, 1, 2, 1, 2, 64, 16, 1e-5, 1e4, False, None, ()),
        "formats": Formats.wide(1, 1),
        "kv_heads_per_clock": 1,
        "kinds": {"head": TileKind(4, 2, 4, 9, 1)},
        "tiles": tuple(tiles),
        "merkle": Merkle(DIGEST, (MerkleLeaf("parameters", (), DIGEST),)),
    }


def handmade(
    folder: Path, files: Mapping[str, str | bytes], modules: Sequence[Module], tiles: Sequence[TileContent] = (),
    ahead: int = 0, **choices: Any,
) -> ChipFolder:  # fmt: skip
    """Write `files`, what else a baked folder has, and the manifest, in which `choices` are set.

    modules: those in both file lists; tiles: what is said of them; ahead: above 0 there is a draft.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = "".join(f"{module.path}\n" for module in modules)
    given: dict[str, str | bytes] = {layout.SIMULATION: paths, layout.SYNTHESIS: paths}
    given[layout.WAIVERS] = "`verilator_config\n"
    given |= dict.fromkeys((layout.MODEL, layout.TOKENIZER, *([layout.DRAFT_MODEL] if ahead else [])), "")
    writer = FolderWriter(folder)
    for name, content in (given | dict(files)).items():
        writer.content(name, content.encode() if isinstance(content, str) else content)
    fields: dict[str, Any] = {
        "format": FORMAT, "hc1gen": "0", "top": "chip", "fabric": "structural", "numeric_config": NumericConfig(),
        "context": 16, "lanes": 4, "token_bits": 8, "model_root": DIGEST, **model_entry(layout.MODEL, tiles),
        "draft": DraftEntry(ahead=ahead, **model_entry(layout.DRAFT_MODEL)) if ahead else None,
        "modules": tuple(modules),
        "roles": Roles(layout.SIMULATION, layout.SYNTHESIS, layout.WAIVERS, layout.TOKENIZER), "files": {},
    }  # fmt: skip
    return ChipFolder(folder, writer.manifest(Manifest(**(fields | choices))))
