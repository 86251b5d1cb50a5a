"""Random numbers: Threefry-2x32, one round per clock."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..numeric.numerics import RANDOM_BITS
from ..settings import SEED_BITS

ROUNDS = 20
ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
PARITY = 0x1BD11BDA
GROUP = 4
"""Rounds between two injections of the key."""
INJECTIONS = ROUNDS // GROUP
"""After the first one, which the counter gets when it is taken."""

RANDOM = data.StructLayout({"test": RANDOM_BITS, "draw": RANDOM_BITS})
"""The two words for a position: for the draft's draw or the target's test, and for the target's draw."""


class Threefry(wiring.Component):
    """`golden.threefry.Stream.at` for the model `which`.

    seed: stands from the transfer of x until y is valid. x: a position of `counter_bits` bits, at most 32. y: its
    random words.
    """

    latency = ROUNDS + INJECTIONS + 1
    """Clocks from x to y: one for each round, and one for each injection of the key, the first one included."""
    recovery = 1
    """Clocks from y, when it is taken, until the next x is taken."""

    def __init__(self, counter_bits: int, which: int):
        self.which = which
        super().__init__(
            {
                "seed": In(SEED_BITS),
                "x": In(stream.Signature(counter_bits)),
                "y": Out(stream.Signature(RANDOM)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        a, b = Signal(RANDOM_BITS, reset_less=True), Signal(RANDOM_BITS, reset_less=True)
        number = Signal(range(INJECTIONS + 1))  # of the next injection; 0: waiting for x, or for y to be taken
        step = Signal(range(GROUP + 1))  # round of the group, GROUP for the injection behind it
        taken, inject = Signal(), Signal()
        m.d.comb += [
            self.x.ready.eq((number == 0) & ~self.y.valid),
            taken.eq(self.x.valid & self.x.ready),
            inject.eq(taken | (step == GROUP)),
            self.y.p.test.eq(a),
            self.y.p.draw.eq(b),
        ]
        with m.If(self.y.ready):
            m.d.sync += self.y.valid.eq(0)
        self._words(m, a, b, number, step, taken, inject)
        with m.If(inject):
            m.d.sync += [step.eq(0), number.eq(number + 1)]
            with m.If(number == INJECTIONS):
                m.d.sync += [number.eq(0), self.y.valid.eq(1)]
        with m.Elif(number != 0):
            m.d.sync += step.eq(step + 1)
        return m

    def _words(
        self, m: Module, a: Signal, b: Signal, number: Signal, step: Signal, taken: Signal, inject: Signal
    ) -> None:
        """One clock of the two words: a round, or the injection of two of the three keys."""
        low, high = self.seed[:RANDOM_BITS], self.seed[RANDOM_BITS:]
        keys = [low, high, low ^ high ^ PARITY]
        first, second = (Array(keys[(i + other) % 3] for i in range(INJECTIONS + 1))[number] for other in range(2))
        # Groups of rounds have two sets of rotations in turn; the first group comes before injection 1.
        rotated = Array(b.rotate_left(by) for by in ROTATIONS)[Cat(step[:2], ~number[0])]
        a_sum, b_sum = Signal(RANDOM_BITS), Signal(RANDOM_BITS)
        m.d.comb += [
            a_sum.eq(Mux(taken, self.x.payload, a) + Mux(inject, first, b)),
            b_sum.eq(Mux(taken, Const(self.which), b) + second + number),
        ]
        with m.If(taken | (number != 0)):
            m.d.sync += [a.eq(a_sum), b.eq(Mux(inject, b_sum, rotated ^ a_sum))]
