"""The Verilog files of a baked folder as its manifest lists them: what each one is, and where it lies."""

from dataclasses import dataclass, field
from typing import Annotated, Literal, get_args

from .layout import BLOCKS
from .names import END, INSIDE, INSIDE_WORDS
from .typed import Pattern, Range

Size = Annotated[int, Range(1)]
Name = Annotated[str, Pattern("^[A-Za-z_][A-Za-z0-9_]*" + END, "a Verilog name")]
FilePath = Annotated[str, Pattern(INSIDE, INSIDE_WORDS)]
View = Literal["behavioural", "structural"]
"""How a tile is written: as counts, or as adders."""
Fabric = Literal["behavioural", "structural", "both"]
"""The view or the views of the tiles in a folder."""
FABRICS: tuple[Fabric, ...] = get_args(Fabric)
TILES: dict[View, str] = {"behavioural": "rtl/tiles/{}.sv", "structural": "rtl/structural/{}.v"}
"""View → where a tile of that name lies."""


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

    @classmethod
    def of(cls, name: str, view: View) -> "TileModule":
        return cls(name, TILES[view].format(name), "tile", view)

    def is_in(self, view: View) -> bool:
        return self.view == view


@dataclass(frozen=True)
class AddersModule(_Verilog):
    """The adders that tiles of the structural view are made of: several modules in one file, which `name` names."""

    kind: Literal["adders"] = field(metadata={"doc": "what it is"})

    @classmethod
    def of(cls, name: str) -> "AddersModule":
        return cls(name, TILES["structural"].format(name), "adders")

    def is_in(self, view: View) -> bool:
        return view == "structural"


@dataclass(frozen=True)
class TableModule(_Verilog):
    """A combinational table of a tensor: the gains of a norm, or the embedding."""

    kind: Literal["table"] = field(metadata={"doc": "what it is"})
    tensor: str = field(metadata={"doc": "the tensor that it holds, as the checkpoint calls it"})

    @classmethod
    def of(cls, name: str, tensor: str) -> "TableModule":
        return cls(name, f"rtl/tiles/{name}.sv", "table", tensor)


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


Module = TileModule | AddersModule | TableModule | MemoryModule | BlockModule | NetlistModule


def views_of(fabric: Fabric) -> tuple[View, View]:
    """The view of the tiles to simulate and the one to synthesise."""
    return ("behavioural", "structural") if fabric == "both" else (fabric, fabric)
