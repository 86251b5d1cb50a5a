"""Requantisation: accumulators become fixed-point numbers, by one multiplication and one shift per row."""

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

    Parameters
        sink: number of the stream on which the results leave.
        acc_bits: signed width of an accumulator.
        scale_bits: unsigned width of the mantissa of a row's scale.
        out_bits: signed width of the result of each lane. In the stream, all lanes are sign-extended to the widest one.
            It must be the same for all sources of a sink.
        shifts: every value that `shift - exponent` can have in rows whose accumulator is not always 0.
        factor_bits: unsigned width of the factor of a vector; 0 if there is none.
    """

    sink: int
    acc_bits: int
    scale_bits: int
    out_bits: tuple[int, ...]
    shifts: range
    factor_bits: int = 0


class Requant(wiring.Component):
    """Requantises the rows of CMVMs: saturate(round_half_up(acc * scale / 2**(shift - exponent))) in each lane.

    The scale is the mantissa of the row, times the factor of the vector where the source has one. Several CMVMs share
    the block, because only one of them gives results at a time.

    Parameters
        sources: the CMVMs.
        drop_bits: lowest bits of a product that the accumulators do not contain; they count as 0.
    Ports
        x0, x1, ... (in, stream of `accumulator_layout`): the beats of each source. If several are valid, the one with
            the lowest number is taken. A result does not tell its source, so the user of the block must see to it that
            the sources of a sink do not overlap.
        y0, y1, ... (out, stream of `len(out_bits)` elements of `max(out_bits)` bits): the results for each sink. A sink
            that is not ready stalls the whole block.
        Reset empties the pipeline.
    Timing
        latency, pace.
    Golden counterpart
        `hc1gen.golden.cmvm.requantize`, with the scales of `hc1gen.golden.cmvm.row_scales`.
    """

    latency = 2
    """Clocks from a beat of accumulators to its results: a register behind the product, and one behind the shift."""
    pace = 1
    """Clocks from one beat to the next, from the same source or from another one."""

    def __init__(self, *sources: Source, drop_bits: int = 0):
        self.sources, self.drop_bits = sources, drop_bits
        self.sinks = {s.sink: s.out_bits for s in sources}
        # a shift below 0 counts as 0; with a shift above `enough` every result is 0
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
        """One lane: product and shift distance; register; shift, round and saturate; register."""
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
        """Accumulator, scale (times the factor, if there is one), shift and exponent of one lane of a source."""
        x, bits = getattr(self, f"x{source}").payload, self.sources[source].factor_bits
        scale = x.mantissa[lane]
        if bits:
            scale = round_shift(scale * x.factor, bits)[: len(scale)]
        return x.acc[lane], scale, x.shift[lane], x.exponent

    def _distance(self, m: Module, shift: Value, exponent: Value, lane: int) -> Value:
        """`shift - exponent - low`, clipped to 0..high - low on those sides on which a source can leave that range."""
        wanted = named(m, shift - exponent - self.low, f"wanted{lane}")
        top = self.high - self.low
        distance: Value = wanted[: max(1, top.bit_length())]
        if any(s.shifts[-1] > self.high for s in self.sources):
            distance = Mux(wanted > top, top, distance)
        if any(s.shifts[0] < self.low for s in self.sources):
            distance = Mux(wanted < 0, 0, distance)
        return distance


def _choose(values: Sequence[Value], chosen: Sequence[Value]) -> Value:
    """The first value whose bit of `chosen` is 1; the last value if no bit is."""
    choice = values[-1]
    for value, bit in zip(values[-2::-1], chosen[-2::-1], strict=True):
        choice = Mux(bit, value, choice)
    return choice
