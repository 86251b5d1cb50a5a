"""What there is to synthesise in a baked folder: a job per tile, table and block; netlists and memories stay as they
are."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..folder.chip_folder import ChipFolder
from ..folder.manifest import TileContent
from ..folder.modules import MemoryModule, Module, NetlistModule, SharedModule, TableModule, TileModule


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
class Sources:
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


def read(rtl_dir: Path) -> Sources:
    """What the folder of a bake holds; `InputError` where it is none or files are missing."""
    folder = ChipFolder.read(rtl_dir)
    modules, tiles = folder.synthesis_modules, folder.manifest.tile_contents
    memories = [m for m in modules if isinstance(m, MemoryModule)]
    others = [m for m in modules if not isinstance(m, MemoryModule | NetlistModule | SharedModule)]
    return Sources(
        rtl_dir,
        tuple(_job(module, folder.file(module.path), tiles) for module in others),
        tuple(Memory(m.name, folder.file(m.path), m.words, m.bits) for m in memories),
        tuple(folder.file(m.path) for m in modules if isinstance(m, NetlistModule)),
        folder.manifest.top,
    )


def _job(module: Module, source: Path, tiles: Mapping[str, TileContent]) -> Job:
    if isinstance(module, TileModule):
        tile = tiles[module.name]
        return Job(module.name, "tile", source, tile.weights, tile.tensors)
    return Job(module.name, "table" if isinstance(module, TableModule) else "block", source)
