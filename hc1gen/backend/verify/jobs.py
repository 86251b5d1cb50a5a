"""What is read in a process of its own: one module, from file to numbers."""

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
"""Passes after which a count is one cell instead of a tree of additions in words of 32 bits."""
ROMS = ("memory_collect", "memory_map")
"""Passes after which a table is multiplexers."""


@dataclass(frozen=True)
class Source:
    """Where a module's text is, and in what form. others: files that it needs; cells: what a library's cells do."""

    module: str
    path: Path
    view: str
    others: tuple[Path, ...] = ()
    cells: Mapping[str, Circuit] = field(default_factory=dict)

    def circuit(self, *passes: str) -> Circuit:
        """As yosys reads it: SystemVerilog by slang, which keeps counts short; then `passes`.

        The file is where yosys runs: slang takes no quotes, and the way there may have spaces.
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
    """Read a tile."""

    source: Source
    shape: Shape

    def run(self) -> Reading:
        """Proved where adders stand, driven where they are gone."""
        passes = {MAPPED: (), STRUCTURAL: ROMS}.get(self.source.view, (*ROMS, *COUNTS))
        circuit = self.source.circuit(*passes)
        return drive_tile(circuit, self.shape) if self.source.view == MAPPED else TileProof(circuit, self.shape).read()


@dataclass(frozen=True)
class TableJob:
    """Read a table: `address` port, entries, lanes of each output port."""

    source: Source
    address: str
    size: int
    lanes: tuple[tuple[str, int], ...]

    def run(self) -> dict[str, np.ndarray]:
        """Every entry there is."""
        passes = () if self.source.view == MAPPED else ROMS
        return read_table(self.source.circuit(*passes), self.address, self.size, dict(self.lanes))


@dataclass(frozen=True)
class ConstantJob:
    """Read what an output port always says."""

    source: Source
    port: str

    def run(self) -> int:
        """`Unreadable` where it is no constant."""
        circuit = self.source.circuit()
        if self.port not in circuit.outputs:
            raise Unreadable(f"no port {self.port}")
        return View(circuit, {}).constant(circuit.outputs[self.port])


Job = TileJob | TableJob | ConstantJob
Result = Reading | dict[str, np.ndarray] | int | str
"""What a job reads; a text says why it cannot."""


def run(job: Job) -> Result:
    """A job's result, in whatever process.

    A circuit is millions of small objects without a cycle: looking for cycles takes a quarter of the time, for nothing.
    """
    gc.disable()
    try:
        return job.run()
    except Unreadable as error:
        return str(error)
    finally:
        gc.enable()
