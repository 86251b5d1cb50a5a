"""The conventions of all blocks of the chip, and the arithmetic that they share.

**Streams.** Blocks exchange data as Amaranth streams: ports `x__payload`, `x__valid` and `x__ready`, clock `clk`,
synchronous reset `rst`, active high. A word is transferred in a clock in which valid and ready are both 1. Once valid
is 1, valid and payload stand until that clock.

A vector travels as beats; one beat is one transfer of `lanes` elements. Both ends know the number of beats, so there is
no end marker. A vector that its consumer needs several times passes several times: first pass, second pass. A
bit-plane, or plane, is one bit of every element of a vector. The words that describe tokens are in `payloads`.

**Timing.** Every block states how many clocks it takes if nothing makes it wait. A word is taken, or given, in the
clock of its transfer; a word without a handshake, in the clock in which its pulse is 1.

    latency     from the clock in which the last word that a result needs is taken, to the clock in which the first
                word of the result is given; 0: the same clock, 1: the next clock
    X_latency   the same for another output X, or another outcome X
    duration    from the clock in which the last word is taken to the clock in which the last word is given, where words
                do not leave at one pace
    pace        from one word to the next
    recovery    from the last word given until the first word of the next vector or token is taken

Each of them is an attribute of the class: a property if it depends on parameters, a method if it depends on a position
or on a beat. A time of any other kind has a name of its own, and its docstring says what it measures. The test of the
block measures all of them, and `clocks.py` adds them up.
"""

from amaranth.hdl import Array, Const, Module, Mux, Signal, Value, ValueCastable, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..numeric.tables import InterpolatedTable


def lanes(count: int, bits: int) -> data.ArrayLayout:
    """Layout of a beat: `count` two's-complement integers of `bits` bits each, lane 0 in the low bits."""
    return data.ArrayLayout(signed(bits), count)


def round_shift(x: ValueCastable | Value, shift: Value | int) -> Value:
    """`x / 2**shift`, rounded half up as in `golden.arith.round_shift`: the last bit that is shifted out is added."""
    return ((Value.cast(x) << 1 >> shift) + 1) >> 1


def saturate(x: Value, bits: int) -> Value:
    """Signed `x` clipped to `bits` two's-complement bits, as a signed value of `bits` bits.

    `x` should be a signal, because it is used several times (see `named`).
    """
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return Mux(x > high, Const(high, signed(bits)), Mux(x < low, Const(low, signed(bits)), x[:bits].as_signed()))


def named(m: Module, value: Value, name: str) -> Signal:
    """A new signal with the shape and the value of `value`.

    Amaranth writes the logic of an expression again wherever the expression is used; a signal is written once.
    """
    signal = Signal.like(value, name=name)
    m.d.comb += signal.eq(value)
    return signal


def bit_length(x: Value) -> Value:
    """How many bits the number in the unsigned `x` has: 0 for 0, 1 for 1, 2 for 2 and 3, and so on.

    The logic is a chain of multiplexers from the lowest bit up, in which the highest bit that is 1 decides.
    """
    length: Value = Const(0, range(len(x) + 1))
    for i in range(len(x)):
        length = Mux(x[i], i + 1, length)
    return length


def below_leading_one(x: Value, top: Value, bits: int) -> Value:
    """The `bits` bits below the leading one of `x`, which is bit `top`; what is below them is truncated.

    Golden counterpart: `hc1gen.golden.norm.cut_mantissa`.
    """
    return ((x << bits) >> top)[:bits]


class Pipeline:
    """The valid bits and the handshake of a pipeline with `depth` register stages, from `source` to `sink`.

    All stages move together, in the clocks in which `go` is 1; the data registers of the pipeline belong under
    `m.If(pipeline.go)`. `valid[i]` is 1 if stage i holds a beat. The latency is `depth` clocks, the pace one clock.
    Reset empties the pipeline.
    """

    def __init__(self, m: Module, source: stream.Interface, sink: stream.Interface, depth: int):
        self.valid = [Signal(name=f"valid{i}") for i in range(depth)]
        self.go = Signal()
        m.d.comb += [self.go.eq(~self.valid[-1] | sink.ready), source.ready.eq(self.go), sink.valid.eq(self.valid[-1])]
        with m.If(self.go):
            for stage, before in zip(self.valid, [source.valid, *self.valid], strict=False):
                m.d.sync += stage.eq(before)


def counter(m: Module, limit: int, step: Value, name: str) -> tuple[Signal, Value]:
    """A counter 0..limit - 1 that counts in clocks in which `step` is 1 and then begins again at 0.

    Returns the count, and a bit that is 1 while the count is `limit - 1`. Reset sets the count to 0.
    """
    count = Signal(range(max(limit, 2)), name=name)
    last = count == limit - 1
    with m.If(step):
        m.d.sync += count.eq(Mux(last, 0, count + 1))
    return count, last


class Lookup(wiring.Component):
    """A table with linear interpolation, as combinational logic: y = base[i] + round_half_up(slope[i] * f / 2**b).

    Parameters
        table: base and slope of each chord, and widths.
    Ports
        x (in, `table.in_bits` bits, unsigned): i in the high bits, f in the low `table.frac_bits` bits, which are b.
        y (out, `table.out_bits` bits, unsigned): the result, in the same clock.
    Golden counterpart
        `hc1gen.numeric.tables.InterpolatedTable`.
    """

    def __init__(self, table: InterpolatedTable):
        self.table = table
        super().__init__({"x": In(unsigned(table.in_bits)), "y": Out(unsigned(table.out_bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        t = self.table
        index, fraction = self.x[t.frac_bits :], self.x[: t.frac_bits]
        slope_bits = max(int(abs(t.slope).max()).bit_length(), 1) + 1
        base = Signal(unsigned(t.out_bits))
        slope = Signal(signed(slope_bits))
        m.d.comb += base.eq(Array(Const(int(v), t.out_bits) for v in t.base)[index])
        m.d.comb += slope.eq(Array(Const(int(v), signed(slope_bits)) for v in t.slope)[index])
        m.d.comb += self.y.eq(base + round_shift(slope * fraction, t.frac_bits))
        return m
