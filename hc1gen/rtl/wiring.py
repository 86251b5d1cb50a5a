"""From a network to netlists: every node says how it is built and wired, in the file of its block.

`wire` is what a node's file registers; `Wiring` is the stage that is being made, node by node, along the stream.
"""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from functools import singledispatch

from amaranth.lib import wiring

from ..network import Linear, Network, Node, Plan, Stage
from ..quant.quantized import QuantizedModel
from .netlist import Netlist, Placed
from .tiles import File


@dataclass(frozen=True)
class Kind:
    """What the tiles of one kind have in common over all stages.

    columns, beats, lanes, row_groups: of the linear node; acc_bits: of an accumulator, the most
    that any of the tiles needs.
    """

    columns: int
    beats: int
    lanes: int
    acc_bits: int
    row_groups: int


@dataclass
class Blocks:
    """Every kind of block of a model, once; `prefix` and the kind make the name of its module."""

    prefix: str
    kinds: dict[str, wiring.Component] = field(default_factory=dict)
    _made_of: dict[str, Hashable] = field(default_factory=dict)

    def place(
        self, netlist: Netlist, name: str, kind: str, made_of: Hashable, make: Callable[[], wiring.Component]
    ) -> Placed:
        """Add an instance of a kind to a netlist. The block is made if it is the first of its kind; `made_of` is what
        it depends on, and `ValueError` tells where two blocks of one kind would not be the same."""
        if kind not in self.kinds:
            self.kinds[kind], self._made_of[kind] = make(), made_of
        if self._made_of[kind] != made_of:
            raise ValueError(f"{netlist.name}.{name}: another block than the {kind} that stands elsewhere")
        return netlist.place(name, self.prefix + kind, self.kinds[kind])

    def components(self) -> dict[str, wiring.Component]:
        """The blocks by module name."""
        return {self.prefix + kind: component for kind, component in self.kinds.items()}


@dataclass
class Wiring:
    """A stage while its blocks are placed.

    at: the output, instance and port, that the next node takes; kinds, shifts: of linear nodes, by name; position: net
    with the position of the token inside; sublayer: net that tells which of two sublayers the token is in.
    """

    network: Network
    model: QuantizedModel
    stage: Stage
    netlist: Netlist
    blocks: Blocks
    kinds: dict[str, Kind]
    shifts: dict[str, range]
    at: tuple[Placed, str]
    position: str = ""
    sublayer: str = ""

    def place(self, name: str, kind: str, made_of: Hashable, make: Callable[[], wiring.Component]) -> Placed:
        """A block of this stage."""
        return self.blocks.place(self.netlist, name, kind, made_of, make)

    def shared(self, name: str, kind: str, made_of: Hashable, make: Callable[[], wiring.Component]) -> Placed:
        """A block that several nodes of this stage use: placed by the first of them, under the stage's kind."""
        name = name if self.stage.purpose else f"{self.stage.kind}_{name}"
        found = self.netlist.find(name)
        return found or self.place(name, f"{kind}_{self.stage.kind}", made_of, make)

    def take(self, block: Placed, sink: str = "x", source: str = "y") -> None:
        """Lead the stream into a block's port `sink` and go on from its port `source`."""
        before, port = self.at
        self.netlist.stream(before, block, port, sink)
        self.at = block, source

    @property
    def linears(self) -> tuple[Linear, ...]:
        """The stage's linear nodes."""
        return self.stage.of(Linear)


@singledispatch
def wire(node: Node, stage: Wiring) -> None:
    """Place the blocks of `node` in the stage and lead the stream through them. `TypeError` where no file says how."""
    raise TypeError(f"no block is registered for {type(node).__name__}, the kind of node {node.name}")


@singledispatch
def tables(node: Node, model: QuantizedModel, plan: Plan) -> Iterator[File]:
    """The files of the constant tables that a node's blocks look up; none for most nodes. The weights of linear nodes
    are written by the views of `rtl.tiles`."""
    return iter(())
