"""What flows between the blocks of the chip, and the arithmetic they share.

Streams are Amaranth streams: ports `x__payload`, `x__valid`, `x__ready`, clock `clk`, synchronous reset `rst`. A vector
travels as beats of a fixed number of lanes; both ends know its length, so there is no end marker. Words that tell of
tokens are in `payloads`.

Every block states how long it takes, in clocks, where nothing waits. A word is taken, or given, in the clock in which
`valid` and `ready` are both high, or in which its pulse is high.

    latency     from the last word that a result needs, taken, to the first word of the result, given; 0: in the same
                clock, 1: in the next one
    X_latency   the same for another output, or another outcome, X
    duration    from the last word taken to the last word given, where words are not given at one pace
    pace        from one word to the next
    recovery    from the last word given until the first word of the next vector or token is taken

Each is an attribute of the class, a property where it depends on parameters, a method where it depends on a position
or on a beat. What is of another shape has a name of its own and says what it is. The block's test measures each of
them; `clocks.py` adds them up.
"""

from amaranth.hdl import Array, Const, Module, Mux, Signal, Value, ValueCastable, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..numeric.tables import InterpolatedTable


def lanes(count: int, bits: int) -> data.ArrayLayout:
    """`count` two's-complement integers of `bits` bits, lane 0 in the low bits."""
    return data.ArrayLayout(signed(bits), count)


def round_shift(x: ValueCastable | Value, shift: Value | int) -> Value:
    """`x / 2**shift` rounded half up, as `golden.arith.round_shift`: the last bit shifted out is added back."""
    return ((Value.cast(x) << 1 >> shift) + 1) >> 1


def saturate(x: Value, bits: int) -> Value:
    """Signed `x` (a signal: see `named`) clipped to `bits` two's-complement bits."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return Mux(x > high, Const(high, signed(bits)), Mux(x < low, Const(low, signed(bits)), x[:bits].as_signed()))


def named(m: Module, value: Value, name: str) -> Signal:
    """`value` as a signal: an expression used more than once without a name has its logic written out each time."""
    signal = Signal.like(value, name=name)
    m.d.comb += signal.eq(value)
    return signal


def bit_length(x: Value) -> Value:
    """Bits of unsigned `x`: 0 for 0, 1 for 1, 2 for 2 and 3, ...

    A priority chain from the lowest bit up: the last bit set decides.
    """
    length: Value = Const(0, range(len(x) + 1))
    for i in range(len(x)):
        length = Mux(x[i], i + 1, length)
    return length


def below_leading_one(x: Value, top: Value, bits: int) -> Value:
    """The `bits` bits below the leading one of `x`, whose place is `top`; truncated (`golden.norm.cut_mantissa`)."""
    return ((x << bits) >> top)[:bits]


class Pipeline:
    """Valid bits of a stallable pipeline of `depth` register stages between two streams.

    `go` is high in clocks in which every stage moves; put the data registers under `m.If(pipeline.go)`.
    Latency `depth` clocks, one beat per clock.
    """

    def __init__(self, m: Module, source: stream.Interface, sink: stream.Interface, depth: int):
        self.valid = [Signal(name=f"valid{i}") for i in range(depth)]
        self.go = Signal()
        m.d.comb += [self.go.eq(~self.valid[-1] | sink.ready), source.ready.eq(self.go), sink.valid.eq(self.valid[-1])]
        with m.If(self.go):
            for stage, before in zip(self.valid, [source.valid, *self.valid], strict=False):
                m.d.sync += stage.eq(before)


def counter(m: Module, limit: int, step: Value, name: str) -> tuple[Signal, Value]:
    """A counter 0..limit-1 that moves when `step` is high; returns (count, it stands at its last value)."""
    count = Signal(range(max(limit, 2)), name=name)
    last = count == limit - 1
    with m.If(step):
        m.d.sync += count.eq(Mux(last, 0, count + 1))
    return count, last


class Lookup(wiring.Component):
    """An `InterpolatedTable` as logic. Combinational."""

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
