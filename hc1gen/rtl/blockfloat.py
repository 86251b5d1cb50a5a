"""Block floating point: a vector becomes int8 mantissas under one power-of-two exponent, put out as bit-planes."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .cmvm import plane_layout
from .types import bit_length, counter, lanes, named, round_shift


def factor_layout(mantissa_bits: int, k_bits: int) -> data.StructLayout:
    """1/sqrt of a sum of squares: `mantissa * 2**-k`."""
    return data.StructLayout({"mantissa": mantissa_bits, "k": k_bits})


class BlockFloat(wiring.Component):
    """`golden.blockfloat.block_float` of a vector of `beats` beats.

    The vector waits in a shift register until its largest magnitude (and, with `factor_bits`, the factor) is known.
    From the last beat to the first plane: beats + 3 clocks; with a factor, beats + 2 from when that is valid. Planes
    leave least significant first, one per clock, while the next vector is taken.
    """

    def __init__(self, in_bits: int, count: int, beats: int, act_bits: int, factor_bits: int = 0, k_bits: int = 0):
        self.in_bits, self.count, self.beats, self.act_bits, self.factor_bits = (
            in_bits, count, beats, act_bits, factor_bits,
        )  # fmt: skip
        members = {
            "x": In(stream.Signature(lanes(count, in_bits))),
            "y": Out(stream.Signature(plane_layout(count * beats))),
        }
        if factor_bits:
            members["factor"] = In(stream.Signature(factor_layout(factor_bits, k_bits)))
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        known, largest, head, moving, moved = self._fill(m)
        free = Signal()
        probe, running = Signal(), Signal()
        _, last = counter(m, self.beats, moving, "move_index")
        m.d.comb += [moving.eq(running), moved.eq(running & last)]
        m.d.comb += probe.eq(known & free & ~running & (self.factor.valid if self.factor_bits else 1))
        m.d.sync += running.eq(probe | (running & ~last))
        if self.factor_bits:
            m.d.comb += self.factor.ready.eq(moved)
        products, magnitude, loading = self._products(m, head, largest, probe, moving)
        self._planes(m, products, magnitude, loading, probe, free)
        return m

    def _fill(self, m: Module) -> tuple[Signal, Signal, Value, Signal, Signal]:
        """The waiting vector: (largest magnitude is known, it, head beat, input: move by a beat, input: moved out)."""
        width = self.count * self.in_bits
        buffer = Signal(width * self.beats)
        full, taken, fresh, known, moving, moved = (
            Signal(), Signal(), Signal(), Signal(), Signal(name="moving"), Signal(name="moved"),
        )  # fmt: skip
        beat_largest, largest = Signal(self.in_bits), Signal(self.in_bits)
        _, last = counter(m, self.beats, taken, "fill_index")
        m.d.comb += [self.x.ready.eq(~full), taken.eq(self.x.valid & ~full), known.eq(full & ~fresh)]
        with m.If(taken | moving):
            m.d.sync += buffer.eq(Cat(buffer[width:], self.x.payload.as_value()))
        with m.If(taken):
            m.d.sync += beat_largest.eq(_largest(m, [_magnitude(self.x.payload[i]) for i in range(self.count)]))
            m.d.sync += full.eq(last)
        m.d.sync += fresh.eq(taken)
        with m.If(fresh & (beat_largest > largest)):
            m.d.sync += largest.eq(beat_largest)
        with m.If(moved):
            m.d.sync += [full.eq(0), largest.eq(0)]
        return known, largest, buffer[:width], moving, moved

    def _products(
        self, m: Module, head: Value, largest: Signal, probe: Signal, moving: Signal
    ) -> tuple[list[Value], Value, Value]:
        """(lanes times factor, the largest magnitude times factor, the lanes are there).

        With a factor the products are registers, and lane 0 multiplies the largest magnitude first.
        """
        beat = [head.word_select(i, self.in_bits).as_signed() for i in range(self.count)]
        if not self.factor_bits:
            return beat, largest, moving
        products = [Signal(signed(self.in_bits + self.factor_bits), name=f"product{i}") for i in range(self.count)]
        first = Mux(probe, largest.as_unsigned(), beat[0])
        mantissa = self.factor.payload.mantissa
        with m.If(probe | moving):
            m.d.sync += products[0].eq(first * mantissa)
        with m.If(moving):
            m.d.sync += [p.eq(x * mantissa) for p, x in zip(products[1:], beat[1:], strict=True)]
        loading = Signal()
        m.d.sync += loading.eq(moving)
        return list(products), products[0].as_unsigned(), loading

    def _planes(
        self, m: Module, products: list[Value], magnitude: Value, loading: Value, probe: Signal, free: Signal
    ) -> None:
        """Round the lanes into the plane registers, then send the planes."""
        slots, out = self.count * self.beats, self.y
        planes = [Signal(slots, name=f"plane{b}") for b in range(self.act_bits)]
        length = named(m, bit_length(magnitude), "length")
        shift = Signal(range(len(magnitude) + 1))
        low = self.act_bits - 1
        measured = probe
        if self.factor_bits:
            measured = Signal(name="measured")
            m.d.sync += measured.eq(probe)
        with m.If(measured):
            m.d.sync += shift.eq(Mux(length > low, length - low, 0))
            k = self.factor.payload.k if self.factor_bits else 0
            m.d.sync += out.payload.exponent.eq(Mux(length > low, length - low, 0) - k)
        _, loaded = counter(m, self.beats, loading, "load_index")
        _, sent = counter(m, self.act_bits, out.valid & out.ready, "plane_index")
        m.d.comb += [free.eq(~out.valid & ~loading), out.payload.plane.eq(planes[0])]
        rounded = [named(m, round_shift(p, shift), f"rounded{i}") for i, p in enumerate(products)]
        mantissas = [named(m, _mantissa(r, self.act_bits), f"mantissa{i}") for i, r in enumerate(rounded)]
        with m.If(loading):
            for b, plane in enumerate(planes):
                m.d.sync += plane.eq(Cat(plane[self.count :], *(q[b] for q in mantissas)))
            m.d.sync += out.valid.eq(loaded)
        with m.Elif(out.valid & out.ready):
            m.d.sync += [plane.eq(after) for plane, after in pairwise(planes)]
            m.d.sync += out.valid.eq(~sent)


def _magnitude(x: Value) -> Value:
    """|x| as an unsigned number of the same width."""
    return Mux(x < 0, -x, x)[: len(x)]


def _largest(m: Module, values: list[Value]) -> Value:
    """Tree of maxima."""
    while len(values) > 1:
        values = [named(m, v, f"largest{len(values)}_{i}") for i, v in enumerate(values)]
        pairs = zip(values[::2], values[1::2], strict=False)
        values = [Mux(a > b, a, b) for a, b in pairs] + ([values[-1]] if len(values) % 2 else [])
    return values[0]


def _mantissa(x: Value, bits: int) -> Value:
    """`x` clipped to the symmetric range of `bits` bits."""
    limit = (1 << (bits - 1)) - 1
    return Mux(x > limit, limit, Mux(x < -limit, -limit, x))[:bits]
