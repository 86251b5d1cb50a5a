"""RMSNorm: the products with the gain stream through, 1/sqrt of the sum of squares follows them."""

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..quant.numerics import Numerics
from .blockfloat import factor_layout
from .types import Lookup, below_leading_one, bit_length, counter, lanes, round_shift


def k_bits(n: Numerics) -> int:
    """Unsigned width of half the exponent of a sum of squares."""
    return max(1, ((n.square_sum_bits - 1) // 2).bit_length())


class RmsNorm(wiring.Component):
    """`golden.norm.rms_norm` of a vector of `beats` beats.

    Padding lanes of `x` are 0: they enter the sum of squares. `beat` asks for gains, `gain` answers in the same
    clock. `y` has latency 1 clock; `factor` is valid 4 clocks after the last beat was taken. The next vector is taken
    when the factor has been.
    """

    def __init__(self, n: Numerics, count: int, beats: int):
        self.n, self.count, self.beats = n, count, beats
        super().__init__(
            {
                "x": In(stream.Signature(lanes(count, n.residual_bits))),
                "beat": Out(range(max(beats, 2))),
                "gain": In(lanes(count, n.config.gain_bits)),
                "y": Out(stream.Signature(lanes(count, n.product_bits))),
                "factor": Out(stream.Signature(factor_layout(n.config.rsqrt_bits, k_bits(n)))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        busy, taken, go = Signal(), Signal(), Signal()
        m.d.comb += [
            go.eq(~self.y.valid | self.y.ready),
            self.x.ready.eq(go & ~busy),
            taken.eq(self.x.valid & self.x.ready),
        ]
        with m.If(go):
            m.d.sync += self.y.valid.eq(taken)
        beat, last = counter(m, self.beats, taken, "beat_index")
        m.d.comb += self.beat.eq(beat)
        residual = [self.x.payload[i] for i in range(self.count)]
        for i, x in enumerate(residual):
            product = Signal.like(x * self.gain[i], name=f"product{i}")
            with m.If(taken):
                m.d.sync += product.eq(x * self.gain[i])
            m.d.comb += self.y.payload[i].eq(round_shift(product, self.n.product_drop))
        self._factor(m, sum((x * x)[: 2 * len(x) - 1] for x in residual), taken, taken & last, busy)
        return m

    def _factor(self, m: Module, squares: Signal, taken: Signal, done: Signal, busy: Signal) -> None:
        """Sum of squares → leading one → table, a register after each."""
        n, out = self.n, self.factor
        beat_sum = Signal(n.square_sum_bits)
        total = Signal(n.square_sum_bits, init=n.epsilon)
        stage = Signal(3)  # one bit walks: beat sum holds the last beat, total is complete, mantissa is cut
        added = Signal()
        m.d.sync += [added.eq(taken), stage.eq(Cat(done, stage[:2]))]
        with m.If(taken):
            m.d.sync += beat_sum.eq(squares)
        with m.If(added):
            m.d.sync += total.eq(total + beat_sum)
        top = Signal(range(n.square_sum_bits))
        argument = Signal(unsigned(n.config.mantissa_bits + 1))
        m.d.comb += top.eq(bit_length(total) - 1)
        with m.If(stage[1]):
            m.d.sync += [
                argument.eq(Cat(below_leading_one(total, top, n.config.mantissa_bits), top[0])),
                out.payload.k.eq(top >> 1),
                total.eq(n.epsilon),
            ]
        m.submodules.rsqrt = rsqrt = Lookup(n.tables.rsqrt)
        m.d.comb += rsqrt.x.eq(argument)
        with m.If(stage[2]):
            m.d.sync += [out.payload.mantissa.eq(rsqrt.y), out.valid.eq(1)]
        with m.If(done):
            m.d.sync += busy.eq(1)
        with m.If(out.valid & out.ready):
            m.d.sync += [out.valid.eq(0), busy.eq(0)]
