"""What there is to synthesise in a baked folder: a job per tile, table and block; netlists and memories stay as they
are."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import InputError, problem
from ..bake import MANIFEST, is_baked

LISTS = ("synth.f", "filelist.f")
"""Files of a baked folder that list the Verilog, the better one first."""
ADDERS = "adders"
"""The file of the structural view's own adders."""
AGAIN = "bake the chip again"
_WORDS = re.compile(r"^// (\d+) words of (\d+) bits", re.M)


@dataclass(frozen=True)
class Job:
    """A module to map. kind: tile, table (gains, embedding) or block; weights, tensors: what a tile holds."""

    name: str
    kind: str
    source: Path
    weights: int = 0
    tensors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Memory:
    """A black box, to be replaced by a macro: `words` of `bits`."""

    name: str
    source: Path
    words: int
    bits: int


@dataclass(frozen=True)
class Plan:
    """All of a chip: what is mapped, what is a memory, and the netlists that hold them, leaves first."""

    folder: Path
    jobs: tuple[Job, ...]
    memories: tuple[Memory, ...]
    netlists: tuple[Path, ...]
    top: str

    @property
    def boxes(self) -> dict[str, Path]:
        """Modules that stand inside blocks, and are black boxes there: memories and tables."""
        tables = {job.name: job.source for job in self.jobs if job.kind == "table"}
        return {memory.name: memory.source for memory in self.memories} | tables


def read(rtl_dir: Path) -> Plan:
    """What the folder of a bake holds; `InputError` where it is none or files are missing."""
    if not rtl_dir.is_dir():
        raise InputError(rtl_dir, "no such folder; give one that hc1gen bake has written")
    if not is_baked(rtl_dir):
        raise InputError(rtl_dir, f"not a baked chip: {MANIFEST} is missing, damaged or not hc1gen's; run hc1gen bake")
    manifest = json.loads((rtl_dir / MANIFEST).read_text())
    paths = [rtl_dir / line for line in _listed(rtl_dir) if line.endswith((".v", ".sv"))]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        names = (path.relative_to(rtl_dir).as_posix() for path in missing)
        raise InputError(rtl_dir, [problem(name, "no file", "Verilog", AGAIN) for name in names])
    tiles = _tiles(manifest)
    jobs, memories, netlists = [], [], []
    for path in paths:
        folder = path.parent.relative_to(rtl_dir).as_posix()
        if folder == "rtl":
            netlists.append(path)
        elif folder == "rtl/memories":
            memories.append(_memory(path))
        elif folder == "rtl/blocks":
            jobs.append(Job(path.stem, "block", path))
        elif path.stem != ADDERS:
            jobs.append(_leaf(path, tiles.get(path.stem)))
    return Plan(rtl_dir, tuple(jobs), tuple(memories), tuple(netlists), manifest["top"])


def _listed(rtl_dir: Path) -> list[str]:
    listing = next((rtl_dir / name for name in LISTS if (rtl_dir / name).is_file()), None)
    if listing is None:
        raise InputError(rtl_dir, problem("file list", "none", " or ".join(LISTS), AGAIN))
    return listing.read_text().split()


def _tiles(manifest: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    models = [manifest, manifest.get("draft") or {}]
    return {tile["module"]: tile for model in models for tile in model.get("tiles", [])}


def _leaf(path: Path, tile: Mapping[str, Any] | None) -> Job:
    if tile is None:
        return Job(path.stem, "table", path)
    return Job(path.stem, "tile", path, tile["weights"], tuple(tile["tensors"]))


def _memory(path: Path) -> Memory:
    found = _WORDS.search(path.read_text())
    if found is None:
        raise InputError(path, problem("memory", "a file that does not say its size", "N words of M bits", AGAIN))
    return Memory(path.stem, path, int(found[1]), int(found[2]))
