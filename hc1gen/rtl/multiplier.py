"""A small serial multiplier. The sampler needs a few products of wide numbers, but only once per token."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

DIGIT_BITS = 8


class Multiplier(wiring.Component):
    """Multiplies two unsigned integers exactly, one digit of the first factor per clock, the lowest digit first.

    A digit has DIGIT_BITS bits.

    Parameters
        a_bits, b_bits: widths of the factors.
    Ports
        start (in, 1 bit): a pulse that starts a product. If one is under way, it is dropped.
        a (in, `a_bits` bits): read in the clock of `start`.
        b (in, `b_bits` bits): must stand from `start` until `done`.
        done (out, 1 bit): a pulse, `latency` clocks after `start`.
        product (out, `a_bits + b_bits` bits): `a * b`. It stands from `done` until the next `start`.
        A reset ends a product without `done`.
    Timing
        `latency`.
    """

    def __init__(self, a_bits: int, b_bits: int):
        self.a_bits, self.b_bits = a_bits, b_bits
        self.latency = self.latency_of(a_bits)
        super().__init__(
            {
                "start": In(1),
                "a": In(a_bits),
                "b": In(b_bits),
                "done": Out(1),
                "product": Out(a_bits + b_bits),
            }
        )

    @staticmethod
    def latency_of(a_bits: int) -> int:
        """Clocks from `start` to `done` of a multiplier whose `a` has `a_bits` bits: one for each digit."""
        return -(-a_bits // DIGIT_BITS)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # `low` is shared: its low digits are those of `a` that are still to be multiplied, its high digits are those of
        # the product that are final. In each clock one digit of `a` leaves and one digit of the product enters.
        # `high` holds the rest of the product. It stays below 2**b_bits, because
        # (2**b - 1) + (2**8 - 1) * (2**b - 1) < 2**(b + 8).
        low, high = Signal(self.latency * DIGIT_BITS, reset_less=True), Signal(self.b_bits, reset_less=True)
        digits, total = Signal.like(low), Signal(self.b_bits + DIGIT_BITS)
        left, digits_left = Signal(range(self.latency + 1)), Signal(range(self.latency + 1))
        m.d.comb += [
            digits.eq(Mux(self.start, self.a, low)),
            total.eq(Mux(self.start, 0, high) + digits[:DIGIT_BITS] * self.b),
            digits_left.eq(Mux(self.start, self.latency, left)),
            self.product.eq(Cat(low, high)),
        ]
        m.d.sync += self.done.eq(digits_left == 1)
        with m.If(digits_left != 0):
            m.d.sync += [Cat(low, high).eq(Cat(digits[DIGIT_BITS:], total)), left.eq(digits_left - 1)]
        return m
