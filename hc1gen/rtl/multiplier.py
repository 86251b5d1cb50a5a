"""A small multiplier for the few numbers of the sampler that are wide and seldom multiplied."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

DIGIT_BITS = 8


class Multiplier(wiring.Component):
    """`product = a * b`, unsigned, exact; a digit of DIGIT_BITS bits of `a` per clock, the lowest first.

    start: a pulse; `a` is read in its clock, `b` stands from then until `done`. A start while busy begins anew.
    done: a pulse, `latency` clocks after `start`. product: stands from `done` until the next start.
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
        """Clocks from `start` to `done`: one for each digit."""
        return -(-a_bits // DIGIT_BITS)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # `low` holds the digits to come above those of the product that are final: one comes in as one goes out.
        # `high` is the rest of the product: below 2**b_bits, as (2**b - 1) + (2**8 - 1) * (2**b - 1) < 2**(b + 8).
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
