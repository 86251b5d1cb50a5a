"""Views of a tile: the ways in which the weights of a linear node are written as Verilog files."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .tile import Tile


@dataclass(frozen=True)
class File:
    """A Verilog file that is to be written.

    Parameters
        path: where in the folder of the chip.
        module: name of the module in it.
        lines: the text, made line by line when it is written.
    """

    path: str
    module: str
    lines: Iterable[str]


@dataclass(frozen=True)
class View:
    """A way to write tiles.

    All views of a tile have the ports and the timing of `module.module`. What is inside, even whether there are
    registers, is up to the view.

    Parameters
        name: the name of the view for `--fabric`.
        files: returns the files of a tile. The first of them holds the module of the tile.
        shared: returns the files with the modules that all tiles of the view instantiate.
    """

    name: str
    files: Callable[[Tile], Iterable[File]]
    shared: Callable[[], Iterable[File]] = tuple
