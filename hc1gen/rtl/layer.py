"""One transformer layer: two sublayers, each a ring of blocks from its skip connection back to it.

Layers differ only in their tiles and gains; the blocks are modules that all layers share.
"""

from dataclasses import dataclass

from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .netlist import Netlist, Placed
from .plan import Plan
from .types import tagged


@dataclass(frozen=True)
class Blocks:
    """Every kind of block by name; `prefix` and the name make the name of its module."""

    prefix: str
    kinds: dict[str, wiring.Component]

    def place(self, netlist: Netlist, name: str, kind: str) -> Placed:
        """Add an instance of a kind to a netlist."""
        return netlist.place(name, self.prefix + kind, self.kinds[kind])

    def components(self) -> dict[str, wiring.Component]:
        """The blocks by module name."""
        return {self.prefix + kind: component for kind, component in self.kinds.items()}


def matrix(netlist: Netlist, blocks: Blocks, kind: str, tile: str, planes: Placed, requant: Placed, port: int) -> None:
    """Bit-planes → CMVM with its tile → source `port` of a requantiser."""
    cmvm = blocks.place(netlist, f"{kind}_cmvm", f"cmvm_{kind}")
    netlist.stream(planes, cmvm)
    netlist.stream(cmvm, requant, "y", f"x{port}")
    nets = {
        port: netlist.net(cmvm, port) for port in ("step", "first", "last", "read", "beat", "acc", "mantissa", "shift")
    }
    netlist.text_module(f"{kind}_tile", tile, {"clk": "clk", "x": netlist.net(cmvm, "plane"), **nets})


def normed_matrix(netlist: Netlist, blocks: Blocks, kind: str, tile: str, gain: str, requant: Placed) -> Placed:
    """RMSNorm → CMVM with its tile → source 0 of a requantiser; returns the norm, whose `x` wants a vector twice."""
    norm = blocks.place(netlist, f"{kind}_norm", "rms_norm")
    netlist.text_module(f"{kind}_gain", gain, {"beat": netlist.net(norm, "beat"), "gain": netlist.net(norm, "gain")})
    matrix(netlist, blocks, kind, tile, norm, requant, 0)
    return norm


def twice(netlist: Netlist, blocks: Blocks, name: str, kind: str) -> Placed:
    """A memory that says a vector twice, and nothing else of what it can."""
    placed = blocks.place(netlist, name, kind)
    placed.nets["turn"] = "1'b0"
    netlist.open(placed, "head")
    netlist.open(placed, "done")
    return placed


def layer(plan: Plan, blocks: Blocks, index: int) -> Netlist:
    """Layer `index`. x, y: the residual stream. Two tokens can be inside, one in each sublayer."""
    residual = stream.Signature(tagged(plan.position_bits, plan.lanes, plan.n.residual_bits))
    signature = wiring.Signature({"x": In(residual), "y": Out(residual)})
    netlist = Netlist(f"{blocks.prefix}layer{index}", f"transformer layer {index}, attention and MLP.", signature)
    attention = _attention(netlist, plan, blocks)
    mlp = _mlp(netlist, blocks)
    netlist.stream(netlist.top, attention, "x", "x")
    netlist.stream(attention, mlp)
    netlist.stream(mlp, netlist.top, "y", "y")
    return netlist


def _attention(netlist: Netlist, plan: Plan, blocks: Blocks) -> Placed:
    """The attention sublayer; returns its skip connection."""
    residual = blocks.place(netlist, "attention_residual", "residual")
    requant = blocks.place(netlist, "attention_requant", "requant_attention")
    gain = f"{netlist.name}_attention_gain"
    norm = normed_matrix(netlist, blocks, "qkv", f"{netlist.name}_qkv", gain, requant)
    rope = blocks.place(netlist, "rope", "rope")
    attention = blocks.place(netlist, "attention", "attention")
    quantize = blocks.place(netlist, "out_quantize", "quantize_context")
    matrix(netlist, blocks, "out", f"{netlist.name}_out", quantize, requant, 1)
    netlist.wires |= {"position": plan.position_bits, "unused_tag": residual.widths["tag"] - plan.position_bits}
    residual.nets["tag"] = "{unused_tag, position}"  # the position is the tag's lowest field
    rope.nets["position"] = attention.nets["position"] = "position"
    netlist.stream(residual, norm, "inner")
    netlist.stream(requant, rope, "y0")
    netlist.stream(rope, attention)
    contexts = attention
    if plan.kv_words > 1:  # attention forgets a word's contexts before the next word
        contexts = twice(netlist, blocks, "contexts", "twice_context")
        netlist.stream(attention, contexts)
    netlist.stream(contexts, quantize)
    netlist.stream(requant, residual, "y1", "back")
    return residual


def _mlp(netlist: Netlist, blocks: Blocks) -> Placed:
    """The MLP sublayer; returns its skip connection."""
    residual = blocks.place(netlist, "mlp_residual", "residual")
    netlist.open(residual, "tag")
    requant = blocks.place(netlist, "mlp_requant", "requant_mlp")
    norm = normed_matrix(netlist, blocks, "gate_up", f"{netlist.name}_gate_up", f"{netlist.name}_mlp_gain", requant)
    swiglu = blocks.place(netlist, "swiglu", "swiglu")
    quantize = blocks.place(netlist, "down_quantize", "quantize_hidden")
    matrix(netlist, blocks, "down", f"{netlist.name}_down", quantize, requant, 1)
    netlist.stream(residual, norm, "inner")
    netlist.stream(requant, swiglu, "y0")
    netlist.stream(swiglu, quantize)
    netlist.stream(requant, residual, "y1", "back")
    return residual
