"""The random number generator Threefry-2x32, one Threefry round per clock."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..numeric.numerics import RANDOM_BITS
from ..settings import SEED_BITS

ROUNDS = 20
ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
PARITY = 0x1BD11BDA
GROUP = 4
"""Threefry rounds between two injections of the key."""
INJECTIONS = ROUNDS // GROUP
"""Injections of the key, without the first one, which happens in the clock in which the counter is taken."""

RANDOM = data.StructLayout({"test": RANDOM_BITS, "draw": RANDOM_BITS})
"""The two random words of a position: `test` is for the draft's draw or for the target's acceptance test, and `draw` is
for the target's draw."""


class Threefry(wiring.Component):
    """Generates the two random words of a position in the text from a seed, by Threefry-2x32 with 20 rounds.

    The generator is counter-based: its key is the seed, and its counter is (position, `which`). It keeps no other
    state, so the words do not depend on when, or how often, they are asked for.

    Parameters
        counter_bits: width of a position, 1..32.
        which: the model that uses the words: 0 for the draft, 1 for the target.
    Ports
        seed (in, SEED_BITS bits): must stand from the transfer of x until y is valid.
        x (in, stream of `counter_bits` bits): a position in the text, unsigned.
        y (out, stream of `RANDOM`): the random words of this position.
        A reset drops the position that is inside.
    Timing
        `latency` and `recovery`.
    Golden counterpart
        `hc1gen.golden.threefry.Stream.at`.
    Source
        Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
    """

    latency = ROUNDS + INJECTIONS + 1
    """Clocks from x to y: one for each Threefry round, and one for each injection of the key, the first one too."""
    recovery = 1
    """Clocks from the transfer of y until the next x can be taken."""

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
        number = Signal(range(INJECTIONS + 1))  # the next injection; 0: waits for x, or for y to be taken
        step = Signal(range(GROUP + 1))  # the round within its group; GROUP: the injection after the group
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
        """Updates the two words `a` and `b` for one clock: by a round, or by the injection of two of the three keys."""
        low, high = self.seed[:RANDOM_BITS], self.seed[RANDOM_BITS:]
        keys = [low, high, low ^ high ^ PARITY]
        first, second = (Array(keys[(i + other) % 3] for i in range(INJECTIONS + 1))[number] for other in range(2))
        # The groups of rounds use the two halves of ROTATIONS in turn. `number` is 1 in the first group.
        rotated = Array(b.rotate_left(by) for by in ROTATIONS)[Cat(step[:2], ~number[0])]
        a_sum, b_sum = Signal(RANDOM_BITS), Signal(RANDOM_BITS)
        m.d.comb += [
            a_sum.eq(Mux(taken, self.x.payload, a) + Mux(inject, first, b)),
            b_sum.eq(Mux(taken, Const(self.which), b) + second + number),
        ]
        with m.If(taken | (number != 0)):
            m.d.sync += [a.eq(a_sum), b.eq(Mux(inject, b_sum, rotated ^ a_sum))]
