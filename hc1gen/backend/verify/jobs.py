"""Jobs for worker processes. Each reads one module, from its file to its numbers."""

import gc
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .adders import with_adders
from .circuit import Circuit, Unreadable, read
from .drive import drive_tile
from .linear import View
from .simulate import flatten
from .tables import read_table
from .tile import Reading, Shape, TileProof

MAPPED, BEHAVIOURAL, STRUCTURAL = "mapped", "behavioural", "structural"
COUNTS = ("alumacc", "opt_clean")
"""Yosys passes that make one cell of a count, which otherwise is a tree of 32-bit additions."""
ROMS = ("memory_collect", "memory_map")
"""Yosys passes that turn a table into multiplexers."""


@dataclass(frozen=True)
class Source:
    """The source of a module: the file `path`, in the view `view`.

    others: further files that it needs. cells: the circuits of the library's cells.
    """

    module: str
    path: Path
    view: str
    others: tuple[Path, ...] = ()
    cells: Mapping[str, Circuit] = field(default_factory=dict)

    def circuit(self, *passes: str) -> Circuit:
        """Reads the module with yosys, and runs `passes`. Raises `Unreadable` if that fails.

        SystemVerilog is read by the front end slang, which keeps the width of counts small. Yosys runs in the folder of
        the file, because slang does not accept quotes and the path of the folder may contain spaces.
        """
        if not self.path.is_file():
            raise Unreadable("the file is missing")
        if self.path.suffix == ".sv":
            commands = [f"read_slang --top {self.module} {self.path.name}"]
        else:
            commands = [f'read_verilog "{path.resolve()}"' for path in (self.path, *self.others)]
        modules = read([*commands, "proc -noopt -norom", *passes], self.path.parent)
        if self.module not in modules:
            raise Unreadable(f"no module {self.module}")
        circuit = modules.pop(self.module)
        return flatten(circuit, self.cells) if self.view == MAPPED else with_adders(circuit, modules)


@dataclass(frozen=True)
class TileJob:
    """A job that reads a tile of the shape `shape`."""

    source: Source
    shape: Shape

    def run(self) -> Reading:
        """Returns the tile's numbers: proved if the view still has adders, simulated if it is a mapped netlist."""
        passes = {MAPPED: (), STRUCTURAL: ROMS}.get(self.source.view, (*ROMS, *COUNTS))
        circuit = self.source.circuit(*passes)
        return drive_tile(circuit, self.shape) if self.source.view == MAPPED else TileProof(circuit, self.shape).read()


@dataclass(frozen=True)
class TableJob:
    """A job that reads a table of `size` entries. address: its address port. lanes: (output port, its lanes)."""

    source: Source
    address: str
    size: int
    lanes: tuple[tuple[str, int], ...]

    def run(self) -> dict[str, np.ndarray]:
        """Returns output port → int64 [size, lanes], all entries, unsigned."""
        passes = () if self.source.view == MAPPED else ROMS
        return read_table(self.source.circuit(*passes), self.address, self.size, dict(self.lanes))


@dataclass(frozen=True)
class ConstantJob:
    """A job that reads an output port that is constant."""

    source: Source
    port: str

    def run(self) -> int:
        """Returns the constant. Raises `Unreadable` if the port is not constant."""
        circuit = self.source.circuit()
        if self.port not in circuit.outputs:
            raise Unreadable(f"no port {self.port}")
        return View(circuit, {}).constant(circuit.outputs[self.port])


Job = TileJob | TableJob | ConstantJob
Result = Reading | dict[str, np.ndarray] | int | str
"""The result of a job. A text says why the module could not be read."""


def run(job: Job) -> Result:
    """Runs a job in the current process. Returns its result, or the message of `Unreadable`.

    Garbage collection is off meanwhile: a circuit is millions of small objects without reference cycles, and to search
    them for cycles would take a quarter of the time.
    """
    gc.disable()
    try:
        return job.run()
    except Unreadable as error:
        return str(error)
    finally:
        gc.enable()
