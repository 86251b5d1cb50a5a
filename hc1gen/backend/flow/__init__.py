"""What place and route starts from: `flow/` beside a chip's Verilog, for OpenROAD-flow-scripts and LibreLane.

Both flows harden every CMVM tile as a block of its own and place the blocks, with the memories' SRAM macros, in the
chip. No area is written down here: the flows size each block by its own synthesis and a utilisation.
"""

from collections.abc import Iterable, Mapping, Sequence

from . import librelane, orfs
from .design import Design, Memory
from .sdc import sdc

SDC = "flow/chip.sdc"


def files(sources: Sequence[str], tiles: Iterable[str], memories: Mapping[str, str]) -> dict[str, Iterable[str]]:
    """Path → lines of every file under `flow/`.

    sources: Verilog files for synthesis, relative to the chip's folder; tiles: names of the tile modules; memories:
    name and Verilog of every kind of memory.
    """
    design = Design(sources, list(tiles), [Memory.read(name, text) for name, text in memories.items()])
    return {SDC: sdc(), **orfs.files(design), **librelane.files(design)}
