"""RMSNorm: bit-planes of mantissa times gain, and 1/sqrt of the sum of squares as a factor of the whole vector."""

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
    """RMSNorm of a vector that passes twice: bit-planes of mantissa times gain, and 1/sqrt as a common factor.

    In the first pass the block finds the exponent of the vector. In the second pass it cuts each element to a mantissa,
    multiplies it by its gain, and adds up the squares of the mantissas. 1/sqrt of that sum is found while the planes
    leave; the requantiser behind multiplies it with the scale of each row. One block can serve several norms, its
    users, which have different gains.

    Parameters
        n: widths and tables.
        count: lanes, elements of a beat.
        beats: beats of a vector.
        passes: for each user, how often all its planes leave, at least 1. Its length is the number of users.
    Ports
        x (in, stream of `count` elements of `n.residual_bits` bits): a vector, then the same vector again. Padding
            lanes must be 0, because they enter the sum of squares, where a constant takes them off again.
        beat (out, unsigned, 0..beats - 1): number of the beat whose gains are needed in this clock.
        user (in, unsigned, 0..len(passes) - 1; only with several users): number of the norm at work. It must stand from
            the first beat of a vector until its last plane has left.
        gain0, gain1, ... (in, `count` elements of `n.config.gain_bits` bits): gains of beat `beat` for each user. They
            must answer `beat` in the same clock.
        y0, y1, ... (out, stream of `plane_layout(count * beats, n.config.rsqrt_bits)`): for each user,
            `n.config.act_bits` planes, least significant first. Exponent and factor hold from `factor_latency` clocks
            after the first plane until the last plane has left; a consumer reads them with the last plane.
        Reset discards the vector inside.
    Timing
        latency, product_latency, factor_latency, pace, recovery.
    Golden counterpart
        `hc1gen.golden.norm.rms_norm`.
    Source
        Zhang and Sennrich 2019, Root Mean Square Layer Normalization.
    """

    product_latency = 1
    """Clocks from the mantissas of a beat to their products with the gains."""
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
        """Clocks from the last beat of a vector's first pass to its first plane, if the second pass is not late."""
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
            # `held & last`: `beat` still selects the gains of the last product, so the next vector has to wait
            cut.enable.eq(~planes.busy & ~(held & last)),
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
        """What is squared: the highest `square_bits` bits of the magnitude, and below them a 1.

        The 1 stands for half of the last of these bits, which is the middle of what was cut off.
        """
        sign = mantissa[-1].replicate(self.n.config.square_bits)
        return Cat(Const(1, 1), mantissa[self.n.square_drop : -1] ^ sign)

    def _factor(self, m: Module, squares: Signal, first: Signal, held: Signal, last: Signal) -> None:
        """1/sqrt in three steps, with a register after each: sum of squares, leading one, table."""
        n, outs = self.n, [getattr(self, f"y{i}").payload for i in range(self.users)]
        padding = self.count * self.beats - n.model.hidden  # the square of a padding element is 1
        mask = (1 << n.square_sum_bits) - 1
        epsilon = Array(Const(e - padding & mask, n.square_sum_bits) for e in n.epsilons)[self.cut.shift]
        total = Signal(n.square_sum_bits, reset_less=True)
        stage = Signal(2)  # one-hot shift register: bit 0, the total is complete; bit 1, its mantissa is cut
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
    """`x * x` for an unsigned `x` of B bits, 2 * B bits wide, with half of the bit products of a multiplier.

    The bit products x[i] * x[j] and x[j] * x[i] are equal, so one of them, one place higher, replaces both:
    `x**2` is the sum of `4**i * (1 + 4 * (x >> i + 1))` over all bits i of x that are 1.
    """
    rows = [Mux(x[i], Cat(Const(1, 2), x[i + 1 :]), 0) << 2 * i for i in range(len(x))]
    return sum(rows[1:], rows[0])[: 2 * len(x)]


@wire.register
def _(node: network.Norm, stage: Wiring) -> None:
    """One block for all norms of a stage, and a gain table for each of them."""
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
