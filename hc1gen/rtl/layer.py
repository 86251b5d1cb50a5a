"""One transformer layer: two sublayers, each a ring of blocks from its skip connection back to it.

Layers differ only in their tiles and gains; the blocks are modules that all layers share.
"""

from dataclasses import dataclass

from amaranth.hdl import ClockSignal, Instance, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .extern import Extern
from .plan import Plan
from .types import stream_of, tagged

Blocks = dict[str, wiring.Component]


@dataclass(frozen=True)
class Section:
    """The names of a norm, a quantiser, a tile and what goes with it: from a vector to fixed-point numbers."""

    kind: str
    tile: str
    quantizer: str


def matrix(m: Module, blocks: Blocks, prefix: str, section: Section) -> tuple[Extern, Extern]:
    """Quantiser → tile → requantisation; returns the two ends (`.x` of the first, `.y` of the second)."""
    quantizer = Extern(section.quantizer, blocks[section.quantizer].signature)
    cmvm = Extern(f"cmvm_{section.kind}", blocks[f"cmvm_{section.kind}"].signature)
    requant = Extern(f"requant_{section.kind}", blocks[f"requant_{section.kind}"].signature)
    m.submodules[f"{prefix}_quantize"] = quantizer
    m.submodules[f"{prefix}_cmvm"] = cmvm
    m.submodules[f"{prefix}_requant"] = requant
    m.submodules[f"{prefix}_tile"] = Instance(
        section.tile, i_clk=ClockSignal(), i_step=cmvm.step, i_first=cmvm.first, i_last=cmvm.last, i_x=cmvm.plane,
        i_read=cmvm.read, i_beat=cmvm.beat, o_acc=cmvm.acc, o_mantissa=cmvm.mantissa, o_shift=cmvm.shift,
    )  # fmt: skip
    connect(m, quantizer.y, cmvm.x)
    connect(m, cmvm.y, requant.x)
    return quantizer, requant


def normed_matrix(m: Module, blocks: Blocks, prefix: str, section: Section, gains: str) -> tuple[Extern, Extern]:
    """RMSNorm → quantiser → tile → requantisation; returns the two ends."""
    norm = Extern("rms_norm", blocks["rms_norm"].signature)
    m.submodules[f"{prefix}_norm"] = norm
    m.submodules[f"{prefix}_gain"] = Instance(gains, i_beat=norm.beat, o_gain=norm.gain)
    quantizer, requant = matrix(m, blocks, prefix, section)
    connect(m, norm.y, quantizer.x)
    connect(m, norm.factor, quantizer.factor)
    return norm, requant


def layer_signature(plan: Plan) -> wiring.Signature:
    """x, y: the residual stream."""
    residual = stream_of(tagged(plan.position_bits, plan.lanes, plan.n.residual_bits))
    return wiring.Signature({"x": In(residual), "y": Out(residual)})


class Layer(wiring.Component):
    """Layer `index` of the transformer. Two tokens can be inside, one in each sublayer."""

    def __init__(self, plan: Plan, blocks: Blocks, index: int):
        self.blocks, self.index = blocks, index
        super().__init__(layer_signature(plan))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.attention_residual = before = Extern("residual", self.blocks["residual"].signature)
        m.submodules.mlp_residual = after = Extern("residual", self.blocks["residual"].signature)
        connect(m, flipped(self.x), before.x)
        self._attention(m, before)
        connect(m, before.y, after.x)
        self._mlp(m, after)
        connect(m, after.y, flipped(self.y))
        return m

    def _attention(self, m: Module, residual: Extern) -> None:
        name = f"layer{self.index}"
        norm, qkv = normed_matrix(
            m, self.blocks, "qkv", Section("qkv", f"{name}_qkv", "quantize_norm"), f"{name}_attention_gain"
        )
        m.submodules.rope = rope = Extern("rope", self.blocks["rope"].signature)
        m.submodules.attention = attention = Extern("attention", self.blocks["attention"].signature)
        quantizer, out = matrix(m, self.blocks, "out", Section("out", f"{name}_out", "quantize_context"))
        m.d.comb += [rope.position.eq(residual.tag.position), attention.position.eq(residual.tag.position)]
        connect(m, residual.inner, norm.x)
        connect(m, qkv.y, rope.x)
        connect(m, rope.y, attention.x)
        connect(m, attention.y, quantizer.x)
        connect(m, out.y, residual.back)

    def _mlp(self, m: Module, residual: Extern) -> None:
        name = f"layer{self.index}"
        norm, gate_up = normed_matrix(
            m, self.blocks, "gate_up", Section("gate_up", f"{name}_gate_up", "quantize_norm"), f"{name}_mlp_gain"
        )
        m.submodules.swiglu = swiglu = Extern("swiglu", self.blocks["swiglu"].signature)
        quantizer, down = matrix(m, self.blocks, "down", Section("down", f"{name}_down", "quantize_hidden"))
        connect(m, residual.inner, norm.x)
        connect(m, gate_up.y, swiglu.x)
        connect(m, swiglu.y, quantizer.x)
        connect(m, down.y, residual.back)
