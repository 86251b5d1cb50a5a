"""SwiGLU, the gate of the MLP: silu(gate) * up."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .. import network
from ..numeric.numerics import Numerics
from .timing import Step, Walk, clocks
from .types import Lookup, Pipeline, lanes, round_shift
from .wiring import Wiring, wire


class SwiGlu(wiring.Component):
    """SwiGLU: the intermediate vector silu(gate) * up, from gates in even lanes and ups in odd lanes.

    Parameters
        n: widths and tables.
        pairs: pairs of gate and up in a beat.
    Ports
        x (in, stream of `2 * pairs` elements of `max(gate_bits, up_bits)` bits): gates in the even lanes, in the low
            `gate_bits`; their ups in the lanes behind them.
        y (out, stream of `pairs` elements of `intermediate_bits` bits): the same beats, rounded.
        Reset empties the pipeline.
    Timing
        latency, pace.
    Golden counterpart
        `hc1gen.golden.swiglu.swiglu`.
    Source
        Shazeer 2020, GLU Variants Improve Transformer.
    """

    latency = 2
    """Clocks from a beat of x to the same beat of y."""
    pace = 1
    """Clocks from one beat to the next."""

    def __init__(self, n: Numerics, pairs: int):
        self.n, self.pairs = n, pairs
        c = n.config
        super().__init__(
            {
                "x": In(stream.Signature(lanes(2 * pairs, max(c.gate_bits, c.up_bits)))),
                "y": Out(stream.Signature(lanes(pairs, n.intermediate_bits))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pipe = Pipeline(m, self.x, self.y, self.latency)
        c = self.n.config
        for i in range(self.pairs):
            gate = self.x.payload[2 * i][: c.gate_bits].as_signed()
            silu = Signal(signed(c.gate_bits), name=f"silu{i}", reset_less=True)
            up = Signal(signed(c.up_bits), name=f"up{i}", reset_less=True)
            product = Signal(signed(c.gate_bits + c.up_bits), name=f"product{i}", reset_less=True)
            with m.If(pipe.go):
                m.d.sync += [silu.eq(self._silu(m, gate, i)), up.eq(self.x.payload[2 * i + 1]), product.eq(silu * up)]
            m.d.comb += self.y.payload[i].eq(round_shift(product, self.n.intermediate_drop))
        return m

    def _silu(self, m: Module, gate: Signal, lane: int) -> Signal:
        """`max(x, 0) - tail(|x|)`, in the format of a gate.

        The table holds the tail for |x| below `2**silu_range`; beyond, the tail is 0.
        """
        table = self.n.tables.silu_tail
        m.submodules[f"tail{lane}"] = tail = Lookup(table)
        magnitude = Signal(self.n.config.gate_bits, name=f"magnitude{lane}")
        m.d.comb += [magnitude.eq(Mux(gate < 0, -gate, gate)), tail.x.eq(magnitude)]
        beyond = magnitude[table.in_bits :].any()
        return Mux(gate < 0, 0, gate) - Mux(beyond, 0, tail.y)


@wire.register
def _(node: network.SwiGlu, stage: Wiring) -> None:
    """One block."""
    stage.take(stage.place(node.name, "swiglu", node, lambda: SwiGlu(node.n, node.pairs)))


@clocks.register
def _(node: network.SwiGlu, walk: Walk) -> list[Step]:
    """From the last beat of the first pass of gates and ups to the last beat of the intermediate vector."""
    return [Step(node.name, SwiGlu.latency, f"{node.name}_y", 0.5)]
