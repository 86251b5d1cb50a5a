"""From a network to netlists. The file of each block registers how its node is built and wired.

A file registers functions for its type of node with `wire.register` and, if its blocks need constant tables, with
`tables.register`. A stage is wired node by node along the stream; `Wiring` is its state meanwhile.
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
    """What all tiles of linear nodes with the same name have in common, in all stages.

    Parameters
        columns: bits of a plane.
        beats: beats of results.
        lanes: rows of a beat.
        acc_bits: signed width of an accumulator, the largest that any of the tiles needs.
        row_groups: groups of beats that share registers.
    """

    columns: int
    beats: int
    lanes: int
    acc_bits: int
    row_groups: int


@dataclass
class Blocks:
    """Every kind of block of a model, once.

    Parameters
        prefix: beginning of all module names of the model. The module of a kind is called `prefix + kind`.
        kinds: kind → its block.
    """

    prefix: str
    kinds: dict[str, wiring.Component] = field(default_factory=dict)
    _made_of: dict[str, Hashable] = field(default_factory=dict)

    def place(
        self, netlist: Netlist, name: str, kind: str, made_of: Hashable, make: Callable[[], wiring.Component]
    ) -> Placed:
        """Add an instance of a kind of block to a netlist, and return it.

        `make` is called if the block is the first of its kind. `made_of` is everything that the block depends on:
        `ValueError` if it differs from that of the first block of the kind.
        """
        if kind not in self.kinds:
            self.kinds[kind], self._made_of[kind] = make(), made_of
        if self._made_of[kind] != made_of:
            raise ValueError(f"{netlist.name}.{name}: got a block that differs from the other blocks of kind {kind}")
        return netlist.place(name, self.prefix + kind, self.kinds[kind])

    def components(self) -> dict[str, wiring.Component]:
        """Module name → block."""
        return {self.prefix + kind: component for kind, component in self.kinds.items()}


@dataclass
class Wiring:
    """A stage while its blocks are placed.

    Parameters
        network, model: the network and its quantised tensors.
        stage: the stage.
        netlist: the module in which its blocks are placed.
        blocks: all kinds of blocks of the model.
        kinds: name of a linear node → what its tiles have in common.
        shifts: name of a linear node → range of `shift - exponent` in its rows.
        at: the output, as instance and port, from which the next node takes its input.
        position: net with the position of the token in the stage; empty before a block drives it.
        sublayer: net that is 0 while the token is in attention and 1 while it is in the MLP; empty before a block
            drives it.
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
        """Add a block to this stage; arguments and errors as in `Blocks.place`."""
        return self.blocks.place(self.netlist, name, kind, made_of, make)

    def shared(self, name: str, kind: str, made_of: Hashable, make: Callable[[], wiring.Component]) -> Placed:
        """The instance of a block that several nodes of this stage use; the first of them places it.

        Its kind is `kind` and the kind of the stage, so stages of different kinds have different blocks.
        """
        name = name if self.stage.purpose else f"{self.stage.kind}_{name}"
        found = self.netlist.find(name)
        return found or self.place(name, f"{kind}_{self.stage.kind}", made_of, make)

    def take(self, block: Placed, sink: str = "x", source: str = "y") -> None:
        """Connect the stream to the port `sink` of a block, and let it go on from the block's port `source`."""
        before, port = self.at
        self.netlist.stream(before, block, port, sink)
        self.at = block, source

    @property
    def linears(self) -> tuple[Linear, ...]:
        """The linear nodes of the stage."""
        return self.stage.of(Linear)


@singledispatch
def wire(node: Node, stage: Wiring) -> None:
    """Place the blocks of `node` in the stage and lead the stream through them.

    `TypeError` if no function is registered for this type of node.
    """
    raise TypeError(f"no block is registered for {type(node).__name__}, the kind of node {node.name}")


@singledispatch
def tables(node: Node, model: QuantizedModel, plan: Plan) -> Iterator[File]:
    """The files of the constant tables that the blocks of a node use; none for most nodes.

    The weights of linear nodes are not among them: the views in `rtl.tiles` write those.
    """
    return iter(())
