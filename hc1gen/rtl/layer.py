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


def matrix(netlist: Netlist, blocks: Blocks, kind: str, tile: str, quantizer: str) -> tuple[Placed, Placed]:
    """Quantiser → CMVM with its tile → requantisation; returns the two ends (`x` of the first, `y` of the second)."""
    quantize = blocks.place(netlist, f"{kind}_quantize", quantizer)
    cmvm = blocks.place(netlist, f"{kind}_cmvm", f"cmvm_{kind}")
    requant = blocks.place(netlist, f"{kind}_requant", f"requant_{kind}")
    netlist.stream(quantize, cmvm)
    netlist.stream(cmvm, requant)
    nets = {
        port: netlist.net(cmvm, port) for port in ("step", "first", "last", "read", "beat", "acc", "mantissa", "shift")
    }
    netlist.text_module(f"{kind}_tile", tile, {"clk": "clk", "x": netlist.net(cmvm, "plane"), **nets})
    return quantize, requant


def normed_matrix(netlist: Netlist, blocks: Blocks, kind: str, tile: str, gain: str) -> tuple[Placed, Placed]:
    """RMSNorm → quantiser → CMVM with its tile → requantisation; returns the two ends."""
    norm = blocks.place(netlist, f"{kind}_norm", "rms_norm")
    netlist.text_module(f"{kind}_gain", gain, {"beat": netlist.net(norm, "beat"), "gain": netlist.net(norm, "gain")})
    quantize, requant = matrix(netlist, blocks, kind, tile, "quantize_norm")
    netlist.stream(norm, quantize)
    netlist.stream(norm, quantize, "factor", "factor")
    return norm, requant


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
    norm, qkv = normed_matrix(netlist, blocks, "qkv", f"{netlist.name}_qkv", f"{netlist.name}_attention_gain")
    rope = blocks.place(netlist, "rope", "rope")
    attention = blocks.place(netlist, "attention", "attention")
    quantize, out = matrix(netlist, blocks, "out", f"{netlist.name}_out", "quantize_context")
    netlist.wires |= {"position": plan.position_bits, "unused_tag": residual.widths["tag"] - plan.position_bits}
    residual.nets["tag"] = "{unused_tag, position}"  # the position is the tag's lowest field
    rope.nets["position"] = attention.nets["position"] = "position"
    netlist.stream(residual, norm, "inner")
    netlist.stream(qkv, rope)
    netlist.stream(rope, attention)
    netlist.stream(attention, quantize)
    netlist.stream(out, residual, "y", "back")
    return residual


def _mlp(netlist: Netlist, blocks: Blocks) -> Placed:
    """The MLP sublayer; returns its skip connection."""
    residual = blocks.place(netlist, "mlp_residual", "residual")
    netlist.open(residual, "tag")
    norm, gate_up = normed_matrix(netlist, blocks, "gate_up", f"{netlist.name}_gate_up", f"{netlist.name}_mlp_gain")
    swiglu = blocks.place(netlist, "swiglu", "swiglu")
    quantize, down = matrix(netlist, blocks, "down", f"{netlist.name}_down", "quantize_hidden")
    netlist.stream(residual, norm, "inner")
    netlist.stream(gate_up, swiglu)
    netlist.stream(swiglu, quantize)
    netlist.stream(down, residual, "y", "back")
    return residual
