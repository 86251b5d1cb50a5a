"""One transformer layer: a ring of blocks from its skip connections back to them, which a token goes round twice.

Layers differ only in their tiles and gains; the blocks are modules that all layers share.
"""

from dataclasses import dataclass

from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .netlist import Netlist, Placed
from .payloads import tagged
from .plan import Plan


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


def matrix(
    netlist: Netlist, blocks: Blocks, kind: str, tile: str, planes: tuple[Placed, str], requant: Placed, source: int
) -> None:
    """Bit-planes, an instance's port → CMVM with its tile → `source` of a requantiser."""
    cmvm = blocks.place(netlist, f"{kind}_cmvm", f"cmvm_{kind}")
    netlist.stream(planes[0], cmvm, planes[1])
    netlist.stream(cmvm, requant, "y", f"x{source}")
    ports = ("step", "first", "last", "part", "read", "beat", "acc", "mantissa", "shift")
    nets = {port: netlist.net(cmvm, port) for port in ports if port in cmvm.widths}
    netlist.text_module(f"{kind}_tile", tile, {"clk": "clk", "x": netlist.net(cmvm, "plane"), **nets})


def norm(netlist: Netlist, blocks: Blocks, name: str, kind: str, gains: dict[str, str]) -> Placed:
    """RMSNorm, whose `x` wants a vector twice; `gains` are the tables of its users, by the names they get."""
    placed = blocks.place(netlist, name, kind)
    for user, (gain, module) in enumerate(gains.items()):
        nets = {"beat": netlist.net(placed, "beat"), "gain": gain}
        netlist.wires[gain] = placed.widths[f"gain{user}"]
        placed.nets[f"gain{user}"] = gain
        netlist.text_module(f"{gain}_table", module, nets)
    return placed


def twice(netlist: Netlist, blocks: Blocks, name: str, kind: str) -> Placed:
    """A memory that says a vector twice, and nothing else of what it can."""
    placed = blocks.place(netlist, name, kind)
    placed.nets["turn"] = "1'b0"
    netlist.open(placed, "head")
    netlist.open(placed, "done")
    return placed


def layer(plan: Plan, blocks: Blocks, index: int) -> Netlist:
    """Layer `index`: a ring that a token goes round twice, first with attention, then with the MLP. x, y: residuals."""
    name = f"{blocks.prefix}layer{index}"
    stream_ = stream.Signature(tagged(plan.position_bits, plan.lanes, plan.n.residual_bits))
    signature = wiring.Signature({"x": In(stream_), "y": Out(stream_)})
    netlist = Netlist(name, f"transformer layer {index}, attention and MLP.", signature)
    residual = blocks.place(netlist, "residual", "residual")
    requant = blocks.place(netlist, "requant", "requant_layer")
    gains = {f"{sublayer}_gain": f"{name}_{sublayer}_gain" for sublayer in ("attention", "mlp")}
    normed = norm(netlist, blocks, "norm", "rms_norm_layer", gains)
    normed.nets["user"] = netlist.net(residual, "mlp")
    netlist.stream(netlist.top, residual, "x", "x")
    netlist.stream(residual, normed, "inner")
    matrix(netlist, blocks, "qkv", f"{name}_qkv", (normed, "y0"), requant, 0)
    matrix(
        netlist, blocks, "out", f"{name}_out", (_attention(netlist, plan, blocks, residual, requant), "y"), requant, 1
    )
    matrix(netlist, blocks, "gate_up", f"{name}_gate_up", (normed, "y1"), requant, 2)
    matrix(netlist, blocks, "down", f"{name}_down", (_swiglu(netlist, blocks, requant), "y"), requant, 3)
    netlist.stream(requant, residual, "y1", "back")
    netlist.stream(residual, netlist.top, "y", "y")
    return netlist


def _attention(netlist: Netlist, plan: Plan, blocks: Blocks, residual: Placed, requant: Placed) -> Placed:
    """From requantised Q, K and V to the quantiser of contexts, which is returned."""
    rope = blocks.place(netlist, "rope", "rope")
    attention = blocks.place(netlist, "attention", "attention")
    quantize = blocks.place(netlist, "out_quantize", "quantize_context")
    netlist.split(residual, "tag", {"position": "position"}, rest="unused_tag")
    rope.nets["position"] = attention.nets["position"] = "position"
    netlist.stream(requant, rope, "y0")
    netlist.stream(rope, attention)
    contexts = attention
    if plan.kv_words > 1:  # attention forgets a word's contexts before the next word
        contexts = twice(netlist, blocks, "contexts", "twice_context")
        netlist.stream(attention, contexts)
    netlist.stream(contexts, quantize)
    return quantize


def _swiglu(netlist: Netlist, blocks: Blocks, requant: Placed) -> Placed:
    """From requantised gates and ups to the quantiser of the hidden vector, which is returned."""
    swiglu = blocks.place(netlist, "swiglu", "swiglu")
    quantize = blocks.place(netlist, "down_quantize", "quantize_hidden")
    netlist.stream(requant, swiglu, "y2")
    netlist.stream(swiglu, quantize)
    return quantize
