"""RMSNorm: mantissas times gains, put out as bit-planes; 1/sqrt of the sum of squares goes with them as a factor."""

from collections.abc import Sequence

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .. import network
from ..numeric.numerics import Numerics
from .blockfloat import Cut, Planes, symmetric
from .cmvm import plane_layout
from .timing import Step, Walk, clocks
from .types import Lookup, below_leading_one, bit_length, counter, lanes, named, round_shift
from .wiring import Wiring, wire


class RmsNorm(wiring.Component):
    """`golden.norm.rms_norm` of a vector of `beats` beats that comes twice, as bit-planes.

    Its users have gains `gain0`, ... and planes `y0`, ..., all of which leave so often as `passes` says for each; user:
    the one it works for, which stands from a vector's first beat until its last plane. Padding lanes of `x` are 0: they
    enter the sum of squares. `beat` asks for gains, which answer in the same clock. The exponent and the factor hold
    from `factor_latency` clocks after the first plane on: with the last plane at the latest.
    """

    product_latency = 1
    """Clocks from a beat's mantissas to their products with the gains, which are what becomes planes."""
    factor_latency = 2
    """Clocks from a vector's first plane to its exponent and its factor."""
    pace = Planes.pace
    """Clocks from one plane to the next."""
    recovery = Planes.recovery
    """Clocks from a vector's last plane until a beat of the next vector is taken."""

    def __init__(self, n: Numerics, count: int, beats: int, passes: Sequence[int] = (1,)):
        self.n, self.count, self.beats, self.passes = n, count, beats, passes
        self.users = users = len(passes)
        self.cut = Cut(n.residual_bits, count, beats, n.config.norm_bits, n.norm_lift, weighted=True)
        planes = plane_layout(count * beats, n.config.rsqrt_bits)
        super().__init__(
            {
                "x": In(stream.Signature(lanes(count, n.residual_bits))),
                "beat": Out(range(max(beats, 2))),
                **({"user": In(range(users))} if users > 1 else {}),
                **{f"gain{i}": In(lanes(count, n.config.gain_bits)) for i in range(users)},
                **{f"y{i}": Out(stream.Signature(planes)) for i in range(users)},
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from the last beat of a vector's first coming to its first plane, where its second coming waits."""
        second = self.cut.gap + (self.beats - 1) * self.cut.pace + self.cut.latency
        return second + self.product_latency + Planes.latency

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self.n.config
        m.submodules.cut = cut = self.cut
        m.submodules.planes = planes = Planes(self.count, self.beats, c.act_bits, self.passes)
        wiring.connect(m, wiring.flipped(self.x), cut.x)
        user = self.user if self.users > 1 else Const(0, 1)
        if self.users > 1:
            m.d.comb += planes.user.eq(self.user)
        ys = [getattr(self, f"y{i}") for i in range(self.users)]
        gains = Signal(lanes(self.count, c.gain_bits))
        m.d.comb += gains.eq(Array(getattr(self, f"gain{i}") for i in range(self.users))[user])
        held = Signal()
        beat, last = counter(m, self.beats, held, "beat_index")
        m.d.comb += [
            cut.enable.eq(~planes.busy & ~(held & last)),  # a next vector's first beat must not ask for gains now
            cut.heavy.eq(Cat(gain[-1] ^ gain[-2] for gain in gains)),
            cut.y.ready.eq(1),
            planes.x.valid.eq(held),
            self.beat.eq(Mux(held, beat, cut.beat)),
        ]
        m.d.sync += held.eq(cut.y.valid)
        mantissas = [Signal(signed(c.norm_bits), name=f"mantissa{i}", reset_less=True) for i in range(self.count)]
        with m.If(cut.y.valid):
            m.d.sync += [mantissa.eq(cut.y.payload[i]) for i, mantissa in enumerate(mantissas)]
        for i, mantissa in enumerate(mantissas):
            product = named(m, round_shift(mantissa * gains[i], self.n.norm_drop), f"product{i}")
            m.d.comb += planes.x.payload[i].eq(symmetric(product, c.act_bits))
        for i, y in enumerate(ys):
            m.d.comb += [y.payload.plane.eq(planes.y.payload), y.valid.eq(planes.y.valid & (user == i))]
        m.d.comb += planes.y.ready.eq(Array(y.ready for y in ys)[user])
        self._factor(m, sum(square(self._odd(x)) for x in mantissas), beat == 0, held, last)
        return m

    def _odd(self, mantissa: Signal) -> Value:
        """The magnitude's highest bits and a half."""
        sign = mantissa[-1].replicate(self.n.config.square_bits)
        return Cat(Const(1, 1), mantissa[self.n.square_drop : -1] ^ sign)

    def _factor(self, m: Module, squares: Signal, first: Signal, held: Signal, last: Signal) -> None:
        """Sum of squares → leading one → table, a register after each."""
        n, outs = self.n, [getattr(self, f"y{i}").payload for i in range(self.users)]
        padding = self.count * self.beats - n.model.hidden  # each such element's square is 1
        mask = (1 << n.square_sum_bits) - 1
        epsilon = Array(Const(e - padding & mask, n.square_sum_bits) for e in n.epsilons)[self.cut.shift]
        total = Signal(n.square_sum_bits, reset_less=True)
        stage = Signal(2)  # one bit walks: the total is complete, its mantissa is cut
        m.d.sync += stage.eq(Cat(held & last, stage[0]))
        with m.If(held):
            m.d.sync += total.eq(Mux(first, epsilon, total) + squares)
        top = named(m, bit_length(total[1:]), "top")
        argument = Signal(unsigned(n.config.mantissa_bits + 1), reset_less=True)
        k = Signal(range((n.square_sum_bits - 1) // 2 + 1), reset_less=True)
        with m.If(stage[0]):
            m.d.sync += argument.eq(Cat(below_leading_one(total, top, n.config.mantissa_bits), top[0]))
            m.d.sync += k.eq(top >> 1)
        m.submodules.rsqrt = rsqrt = Lookup(n.tables.rsqrt)
        factor = Signal(n.config.rsqrt_bits, reset_less=True)
        m.d.comb += rsqrt.x.eq(argument)
        m.d.comb += [field for out in outs for field in (out.exponent.eq(-k), out.factor.eq(factor))]
        with m.If(stage[1]):
            m.d.sync += factor.eq(rsqrt.y)


def square(x: Value) -> Value:
    """`x * x`, unsigned, with half a multiplier's bit products: of two alike one stands, in the place above.

    x**2 is the sum, over its bits i, of bit i times 4**i times 1 plus 4 times what stands above bit i.
    """
    rows = [Mux(x[i], Cat(Const(1, 2), x[i + 1 :]), 0) << 2 * i for i in range(len(x))]
    return sum(rows[1:], rows[0])[: 2 * len(x)]


@wire.register
def _(node: network.Norm, stage: Wiring) -> None:
    """One block for all norms of a stage, which asks the gain table of the norm that it works for."""
    plan, norms = stage.network.plan, stage.stage.of(network.Norm)
    passes = tuple(each.passes for each in norms)
    beats = len(node.order) // node.lanes
    norm = stage.shared("norm", "rms_norm", passes, lambda: RmsNorm(plan.n, node.lanes, beats, passes))
    user = norms.index(node)
    gain = node.name.replace("norm", "gain")
    stage.netlist.wires[gain] = norm.widths[f"gain{user}"]
    norm.nets[f"gain{user}"] = gain
    nets = {"beat": stage.netlist.net(norm, "beat"), "gain": gain}
    stage.netlist.text_module(f"{gain}_table", node.module, nets)
    if len(norms) > 1:
        norm.nets["user"] = stage.sublayer
    stage.take(norm, source=f"y{user}")


@clocks.register
def _(node: network.Norm, walk: Walk) -> list[Step]:
    """From the last beat of the vector's first pass to the first bit-plane."""
    user = walk.stage.of(network.Norm).index(node)
    return [Step(node.name, walk.shared("rms_norm").latency, f"{walk.unit('norm')}_y{user}", 0)]
