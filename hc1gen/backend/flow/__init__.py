"""What place and route starts from: `flow/` beside a chip's Verilog, for OpenROAD-flow-scripts and LibreLane.

Both flows harden every CMVM tile as a block of its own and place the blocks, with the memories' SRAM macros, in the
chip. No area is written down here: the flows size each block by its own synthesis and a utilisation.
"""

from collections.abc import Iterable, Sequence

from ..folder.modules import Module
from . import librelane, orfs
from .design import Design
from .sdc import sdc

SDC = "flow/chip.sdc"


def files(modules: Sequence[Module]) -> dict[str, Iterable[str]]:
    """Path → lines of every file under `flow/`. modules: the Verilog files for synthesis."""
    design = Design(modules)
    return {SDC: sdc(), **orfs.files(design), **librelane.files(design)}
