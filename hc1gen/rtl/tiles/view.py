"""Views of a tile: the ways in which the weights of a linear node are written as files."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .tile import Tile


@dataclass(frozen=True)
class File:
    """A Verilog file to be: path inside the baked folder, the module in it, and its lines as they are made."""

    path: str
    module: str
    lines: Iterable[str]


@dataclass(frozen=True)
class View:
    """One way to write tiles. All views of a tile have the ports and the timing of `module.module`; what stands inside,
    registers or not, is the view's own.

    name: what `--fabric` calls it; files: the files of one tile, the one of its module first; shared: the files that
    all tiles of the view instantiate.
    """

    name: str
    files: Callable[[Tile], Iterable[File]]
    shared: Callable[[], Iterable[File]] = tuple
