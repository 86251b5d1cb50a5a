"""Draws a token at random, with probabilities in proportion to integer weights.

The block sums the weights, scales a random number to that sum, and finds the token at which the running sum exceeds it.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..network import Plan
from ..numeric.numerics import RANDOM_BITS, bits_for
from .multiplier import Multiplier
from .types import named


def running_sums(m: Module, terms: list[Value], name: str) -> list[Value]:
    """Returns all prefix sums `terms[0]`, `terms[0] + terms[1]`, ..., in a depth of log2(len(terms)) adders."""
    if len(terms) == 1:
        return terms
    half = (len(terms) + 1) // 2
    low, high = running_sums(m, terms[:half], f"{name}l"), running_sums(m, terms[half:], f"{name}h")
    return low + [named(m, low[-1] + term, f"{name}{i}") for i, term in enumerate(high)]


class Draw(wiring.Component):
    """Draws a token in proportion to integer weights, which pass twice: to be summed, then to find the token.

    One pass is all beats of the vocabulary in order, with any gaps between them. The first pass sums the weights. A
    random number times this sum gives a threshold. The second pass finds the first token at which the running sum of
    the weights exceeds the threshold.

    Parameters
        plan: gives the lanes and the vocabulary.
        weight_bits: width of a weight, unsigned.
        sum_bits: width that holds the sum of the weights of any pass, unsigned.
    Ports
        w (in, `plan.lanes` lanes of `weight_bits` bits), w_valid (in, 1 bit), w_beat (in): while `w_valid` is high, `w`
            holds the weights of beat `w_beat` in the order of `plan.vocabulary`, and 0 in padding lanes.
        scan (in, 1 bit): comes with every beat: 0 in the first (summing) pass, 1 in the second (scanning) pass. The
            scanning pass begins at least `scale_latency` clocks after `summed`. There is one for each summing pass.
        summed (out, 1 bit): a pulse after the last beat of the summing pass.
        total (out, `sum_bits` bits): the sum of the weights, from `summed` until the next summing pass.
        random (in, RANDOM_BITS bits): read in the clock of `summed`.
        found (out, 1 bit), token (out, `plan.token_bits` bits), weight (out, `weight_bits` bits): the drawn token and
            its weight while `found` is high, which is until `clear`. Later beats have no effect. If the weights changed
            between the two passes and no running sum exceeds the threshold, the first lane of the last beat is found.
            Such a token has no meaning, but every draw ends.
        clear (in, 1 bit): a pulse that ends a pass at any beat and lowers `found`. It also drops the beats of its own
            clock and of the clock before.
        A reset drops the pass and lowers `found`.
    Timing
        `sum_latency`, `scale_latency`, `find_latency` and `pace`.
    Golden counterpart
        `hc1gen.golden.sampler.draw`.
    """

    sum_latency = 2
    """Clocks from the last beat of a summing pass to `summed`."""
    scale_latency = Multiplier.latency_of(RANDOM_BITS)
    """Clocks from `summed` until a scanning pass may begin: the threshold is ready when the first beat needs it."""
    find_latency = 2
    """Clocks from the beat that holds the token to `found`."""
    pace = 1
    """Clocks from one beat to the next."""

    def __init__(self, plan: Plan, weight_bits: int, sum_bits: int):
        self.plan = plan
        self.beats = len(plan.vocabulary) // plan.lanes
        self.weight_bits, self.sum_bits = weight_bits, sum_bits
        super().__init__(
            {
                "w": In(data.ArrayLayout(unsigned(weight_bits), plan.lanes)),
                "w_valid": In(1),
                "w_beat": In(range(max(self.beats, 2))),
                "scan": In(1),
                "random": In(RANDOM_BITS),
                "clear": In(1),
                "total": Out(sum_bits),
                "summed": Out(1),
                "found": Out(1),
                "token": Out(plan.token_bits),
                "weight": Out(weight_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes = self.plan.lanes
        # First stage: running sums within the beat. A sum of some of the weights never needs more than `sum_bits`,
        # which hold the sum of all.
        beat_bits = min(bits_for(lanes * ((1 << self.weight_bits) - 1)), self.sum_bits)
        valid, scan = Signal(), Signal(reset_less=True)
        first, last = Signal(reset_less=True), Signal(reset_less=True)
        base = Signal(self.plan.token_bits, reset_less=True)
        weights = Signal(data.ArrayLayout(unsigned(self.weight_bits), lanes), reset_less=True)
        sums = [Signal(beat_bits, name=f"sum{lane}", reset_less=True) for lane in range(lanes)]
        m.d.sync += valid.eq(self.w_valid & ~self.clear)
        with m.If(self.w_valid):
            m.d.sync += [
                scan.eq(self.scan),
                first.eq(self.w_beat == 0),
                last.eq(self.w_beat == self.beats - 1),
                base.eq(self.w_beat * lanes),
                weights.eq(self.w),
                *(s.eq(value) for s, value in zip(sums, running_sums(m, list(self.w), "running"), strict=True)),
            ]
        self._sum(m, valid & ~scan, first, last, sums[-1])
        self._scan(m, valid & scan, last, base, weights, sums)
        return m

    def _sum(self, m: Module, step: Value, first: Value, last: Value, beat_sum: Value) -> None:
        """Second stage of a summing pass: adds the sum of a beat to the sum of the beats before it."""
        total = Signal(self.sum_bits, reset_less=True)
        m.d.comb += self.total.eq(total)
        m.d.sync += self.summed.eq(step & last & ~self.clear)
        with m.If(step):
            m.d.sync += total.eq(Mux(first, 0, total) + beat_sum)

    def _scan(self, m: Module, step: Value, last: Value, base: Value, weights: data.View, sums: list[Signal]) -> None:
        """Second stage of a scanning pass: finds the first lane whose running sum exceeds the rest of the threshold.

        The rest is the threshold minus the sum of all beats before this one.
        """
        m.submodules.scale = scale = Multiplier(RANDOM_BITS, self.sum_bits)
        assert scale.latency == self.scale_latency
        left = Signal(self.sum_bits, reset_less=True)  # the rest; it is below the total, as random < 2**RANDOM_BITS
        m.d.comb += [scale.start.eq(self.summed), scale.a.eq(self.random), scale.b.eq(self.total)]
        above = named(m, Cat(s > left for s in sums), "above")  # zeros, then ones: running sums never fall
        chosen = [above[0], *(above[i] & ~above[i - 1] for i in range(1, len(sums)))]
        with m.If(scale.done):
            m.d.sync += left.eq(scale.product >> RANDOM_BITS)
        with m.If(step & ~self.found):
            m.d.sync += [
                left.eq(left - sums[-1]),
                self.found.eq(above[-1] | last),
                self.token.eq(base + _select(chosen, list(range(len(sums))))),
                self.weight.eq(_select(chosen, list(weights))),
            ]
        with m.If(self.clear):
            m.d.sync += self.found.eq(0)


def _select(chosen: list[Value], values: list[Value | int]) -> Value:
    """Returns the value whose bit of `chosen` is set, or 0 if no bit is set. At most one bit may be set."""
    choice = Mux(chosen[0], values[0], 0)
    for bit, value in zip(chosen[1:], values[1:], strict=True):
        choice = choice | Mux(bit, value, 0)
    return choice
