"""The Verilog files of a baked folder as its manifest lists them: what each one is, and where it lies."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from .layout import BLOCKS
from .names import END, INSIDE, INSIDE_WORDS
from .typed import Pattern, Range

Size = Annotated[int, Range(1)]
Name = Annotated[str, Pattern("^[A-Za-z_][A-Za-z0-9_]*" + END, "a Verilog name")]
FilePath = Annotated[str, Pattern(INSIDE, INSIDE_WORDS)]
View = Annotated[str, Pattern("^[a-z_]+" + END, "the name of a view")]
"""How a tile is written, by the name that the registry of views has for it (`hc1gen.rtl.tiles`)."""
SIMULATED, SYNTHESISED, BOTH = "behavioural", "structural", "both"
"""The views that a chip with two views has, one to simulate and one to synthesise, and what `--fabric` calls that."""


@dataclass(frozen=True)
class _Verilog:
    """What every Verilog file has."""

    name: Name = field(metadata={"doc": "its module; a block's file also holds submodules, NAME.PART"})
    path: FilePath = field(metadata={"doc": "where it lies in the folder"})

    def is_in(self, view: View) -> bool:
        """Whether it is part of a chip whose tiles have this view."""
        return True


@dataclass(frozen=True)
class TileModule(_Verilog):
    """A CMVM tile in one view. What it holds stands in `tiles`, under the same name."""

    kind: Literal["tile"] = field(metadata={"doc": "what it is"})
    view: View = field(metadata={"doc": "behavioural: counts, to simulate; structural: adders, to synthesise"})

    def is_in(self, view: View) -> bool:
        return self.view == view


@dataclass(frozen=True)
class SharedModule(_Verilog):
    """What the tiles of a view instantiate, such as adders: one module or more in a file, which `name` names."""

    kind: Literal["shared"] = field(metadata={"doc": "what it is"})
    view: View = field(metadata={"doc": "the view whose tiles instantiate it"})

    def is_in(self, view: View) -> bool:
        return self.view == view


@dataclass(frozen=True)
class TableModule(_Verilog):
    """A combinational table of a tensor: the gains of a norm, or the embedding."""

    kind: Literal["table"] = field(metadata={"doc": "what it is"})
    tensor: str = field(metadata={"doc": "the tensor that it holds, as the checkpoint calls it"})


@dataclass(frozen=True)
class MemoryModule(_Verilog):
    """A memory, which a flow replaces by an SRAM macro: one write port, one read port, read latency 1 clock."""

    kind: Literal["memory"] = field(metadata={"doc": "what it is"})
    words: Size = field(metadata={"doc": "words that it holds"})
    bits: Size = field(metadata={"doc": "bits of a word"})

    @classmethod
    def of(cls, name: str, words: int, bits: int) -> "MemoryModule":
        return cls(name, f"rtl/memories/{name}.v", "memory", words, bits)


@dataclass(frozen=True)
class BlockModule(_Verilog):
    """A block with state or a handshake, written by Amaranth; it may instantiate memories and tables."""

    kind: Literal["block"] = field(metadata={"doc": "what it is"})

    @classmethod
    def of(cls, name: str) -> "BlockModule":
        return cls(name, f"{BLOCKS}/{name}.v", "block")


@dataclass(frozen=True)
class NetlistModule(_Verilog):
    """A module that only wires others together, the top module among them."""

    kind: Literal["netlist"] = field(metadata={"doc": "what it is"})

    @classmethod
    def of(cls, name: str) -> "NetlistModule":
        return cls(name, f"rtl/{name}.v", "netlist")


Module = TileModule | SharedModule | TableModule | MemoryModule | BlockModule | NetlistModule


def views_of(fabric: str) -> tuple[View, View]:
    """The view of the tiles to simulate and the one to synthesise; fabric: one view for both, or BOTH."""
    return (SIMULATED, SYNTHESISED) if fabric == BOTH else (fabric, fabric)
