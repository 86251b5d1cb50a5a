"""Requantisation: what CMVMs have accumulated becomes fixed-point numbers, by one multiply and one shift per row."""

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .cmvm import accumulator_layout
from .types import lanes, named, round_shift, saturate


@dataclass(frozen=True)
class Source:
    """A CMVM whose rows are requantised.

    sink: the number of the stream that its results leave on. out_bits: the width of each lane's result, all
    sign-extended to the widest, the same for all sources of a sink. shifts: what `shift - exponent` can be,
    where the accumulator is not 0. factor_bits: of the factor that its vectors have, 0 for none.
    """

    sink: int
    acc_bits: int
    scale_bits: int
    out_bits: tuple[int, ...]
    shifts: range
    factor_bits: int = 0


class Requant(wiring.Component):
    """`saturate(round_half_up(acc * scale / 2**(shift - exponent)))` (golden.cmvm.requantize), scale from row_scales.

    Each source has a stream `x0`, `x1`, ..., the first that is valid is served; each sink a stream `y0`, `y1`, ... The
    owner sees to it that other sources wait, or are not there. Accumulators come without their `drop_bits` lowest bits,
    which count as 0.
    """

    latency = 2
    """Clocks from a beat of accumulators to their results: one register stage each."""
    pace = 1
    """Clocks from one beat to the next, whatever source it is from."""

    def __init__(self, *sources: Source, drop_bits: int = 0):
        self.sources, self.drop_bits = sources, drop_bits
        self.sinks = {s.sink: s.out_bits for s in sources}
        # a shift below 0 counts as 0; above `enough` everything is 0
        enough = max(s.acc_bits + s.scale_bits for s in sources) + drop_bits + 1
        self.low = min(max(0, min(s.shifts[0] for s in sources)), enough)
        self.high = max(self.low, min(enough, max(s.shifts[-1] for s in sources)))
        members = {}
        for i, s in enumerate(sources):
            layout = accumulator_layout(len(s.out_bits), s.acc_bits, s.scale_bits, s.factor_bits)
            members[f"x{i}"] = In(stream.Signature(layout))
        for sink, out_bits in self.sinks.items():
            members[f"y{sink}"] = Out(stream.Signature(lanes(len(out_bits), max(out_bits))))
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        xs = [getattr(self, f"x{i}") for i in range(len(self.sources))]
        ys = [getattr(self, f"y{sink}") for sink in range(len(self.sinks))]
        served = Signal(len(xs))
        computed, given = Signal(len(ys)), Signal(len(ys))
        go = Signal()
        m.d.comb += go.eq(~(given & ~Cat(y.ready for y in ys)).any())
        before: Value = Const(0, 1)
        for i, x in enumerate(xs):
            m.d.comb += [served[i].eq(x.valid & ~before), x.ready.eq(go & ~before)]
            before = before | x.valid
        for sink, y in enumerate(ys):
            m.d.comb += y.valid.eq(given[sink])
            with m.If(go):
                m.d.sync += computed[sink].eq(
                    Cat(served[i] for i, s in enumerate(self.sources) if s.sink == sink).any()
                )
        with m.If(go):
            m.d.sync += given.eq(computed)
        for lane in range(max(len(s.out_bits) for s in self.sources)):
            self._lane(m, go, lane, served, computed)
        return m

    def _lane(self, m: Module, go: Signal, lane: int, served: Signal, computed: Signal) -> None:
        """Product and distance of the shift; register; shift, round, saturate; register."""
        used = [i for i, s in enumerate(self.sources) if lane < len(s.out_bits)]
        sinks = [sink for sink, out_bits in self.sinks.items() if lane < len(out_bits)]
        acc, scale, shift, exponent = (
            named(m, _choose(values, [served[i] for i in used]), f"{name}{lane}")
            for name, values in zip(
                ("acc", "scale", "shift", "exponent"),
                zip(*(self._fields(m, i, lane) for i in used), strict=True),
                strict=True,
            )
        )
        product = Signal(signed(len(acc) + len(scale)), name=f"product{lane}", reset_less=True)
        by = Signal(range(self.high - self.low + 1), name=f"by{lane}", reset_less=True)
        rounded = named(m, ((product << 1 + self.drop_bits >> self.low >> by) + 1) >> 1, f"rounded{lane}")
        results = [saturate(rounded, self.sinks[sink][lane]) for sink in sinks]
        result = Signal(signed(max(map(len, results))), name=f"result{lane}", reset_less=True)
        with m.If(go):
            m.d.sync += [
                product.eq(acc * scale),
                by.eq(self._distance(m, shift, exponent, lane)),
                result.eq(_choose(results, [computed[sink] for sink in sinks])),
            ]
        for sink in sinks:
            m.d.comb += getattr(self, f"y{sink}").payload[lane].eq(result)

    def _fields(self, m: Module, source: int, lane: int) -> tuple[Value, Value, Value, Value]:
        """Accumulator, scale, shift and exponent of a lane."""
        x, bits = getattr(self, f"x{source}").payload, self.sources[source].factor_bits
        scale = x.mantissa[lane]
        if bits:
            scale = round_shift(scale * x.factor, bits)[: len(scale)]
        return x.acc[lane], scale, x.shift[lane], x.exponent

    def _distance(self, m: Module, shift: Value, exponent: Value, lane: int) -> Value:
        """`shift - exponent` above `low`; held within what makes a difference only where it can leave that."""
        wanted = named(m, shift - exponent - self.low, f"wanted{lane}")
        top = self.high - self.low
        distance: Value = wanted[: max(1, top.bit_length())]
        if any(s.shifts[-1] > self.high for s in self.sources):
            distance = Mux(wanted > top, top, distance)
        if any(s.shifts[0] < self.low for s in self.sources):
            distance = Mux(wanted < 0, 0, distance)
        return distance


def _choose(values: Sequence[Value], chosen: Sequence[Value]) -> Value:
    """The value whose bit of `chosen` is set; the last one if none is."""
    choice = values[-1]
    for value, bit in zip(values[-2::-1], chosen[-2::-1], strict=True):
        choice = Mux(bit, value, choice)
    return choice
