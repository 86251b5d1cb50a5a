"""Drawing a token in proportion to integer weights: sum them, scale a random number by the sum, find the place."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..network import Plan
from ..numeric.numerics import RANDOM_BITS, bits_for
from .multiplier import Multiplier
from .types import named


def running_sums(m: Module, terms: list[Value], name: str) -> list[Value]:
    """`terms[0]`, `terms[0] + terms[1]`, ...: as many adders deep as a tree."""
    if len(terms) == 1:
        return terms
    half = (len(terms) + 1) // 2
    low, high = running_sums(m, terms[:half], f"{name}l"), running_sums(m, terms[half:], f"{name}h")
    return low + [named(m, low[-1] + term, f"{name}{i}") for i, term in enumerate(high)]


class Draw(wiring.Component):
    """`golden.sampler.draw` over weights that pass by twice: once to sum them, once to find the token.

    w: a beat of weights in `plan.vocabulary` order, 0 in padding lanes, where `w_valid` is high; `w_beat` its number.
    A pass is all beats in order, with any gaps. A weight has `weight_bits` bits, the sum of a pass `sum_bits`.

    scan 0, with every beat of the pass: it is summed. summed: a pulse behind the last beat; from then until the next
    summing pass `total` is the sum. `random` is read in the clock of `summed`.
    scan 1: the token is looked for, once for each summing pass; its first beat comes at least `scale_latency` clocks
    after `summed`. found: until `clear`, with `token` and its `weight`; the beats after it do not matter. Where no
    weight is large enough, as `total` was not the sum of this pass's, the last beat's first lane is found: a draw whose
    weights are taken away midway is worth nothing, but it ends.
    clear: a pulse, forgets a pass midway, its beats of this clock and of the one before, and what was found.
    """

    sum_latency = 2
    """Clocks from the last beat of a summing pass to `summed`."""
    scale_latency = Multiplier.latency_of(RANDOM_BITS)
    """Clocks from `summed` until a scanning pass may begin: the threshold is there when the first beat meets it."""
    find_latency = 2
    """Clocks from the token's beat to `found`."""
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
        # First stage: sums within the beat. No sum of some of the weights needs more bits than that of all.
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
        """Second stage of a summing pass: the sum so far."""
        total = Signal(self.sum_bits, reset_less=True)
        m.d.comb += self.total.eq(total)
        m.d.sync += self.summed.eq(step & last & ~self.clear)
        with m.If(step):
            m.d.sync += total.eq(Mux(first, 0, total) + beat_sum)

    def _scan(self, m: Module, step: Value, last: Value, base: Value, weights: data.View, sums: list[Signal]) -> None:
        """Second stage of a scanning pass: which lane, if any, is the first to exceed what is left of the threshold."""
        m.submodules.scale = scale = Multiplier(RANDOM_BITS, self.sum_bits)
        assert scale.latency == self.scale_latency
        left = Signal(self.sum_bits, reset_less=True)  # below the total, as random < 2**RANDOM_BITS
        m.d.comb += [scale.start.eq(self.summed), scale.a.eq(self.random), scale.b.eq(self.total)]
        above = named(m, Cat(s > left for s in sums), "above")  # zeros, then ones
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
    """The value whose bit of `chosen`, of which one at most is set, is set; 0 if none is."""
    choice = Mux(chosen[0], values[0], 0)
    for bit, value in zip(chosen[1:], values[1:], strict=True):
        choice = choice | Mux(bit, value, 0)
    return choice
