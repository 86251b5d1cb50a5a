"""One query head of attention: multipliers, scores, running maximum, probabilities and weighted sums."""

from amaranth.hdl import Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..numeric.numerics import Numerics
from .types import Lookup, lanes, round_shift

STEPS = data.StructLayout(
    {
        "product": 1,
        "score": 1,
        "compare": 1,
        "compared": 1,
        "distance": 1,
        "weigh": 1,
        "mix": 1,
        "mixed": 1,
    }
)
"""What the heads do in a clock. Each pipeline stage has one bit, which is 1 if a position is in that stage.

First pass: `product` multiplies the query by the key word that was just read; `score` adds the products, rounds, and
writes the score buffer; `compare` compares the score with the maximum so far. Second pass: `distance` subtracts the
score that was just read from the maximum; `weigh` computes its probability, while the value word is read; `mix`
multiplies the probability by the value and accumulates. `compared` and `mixed` are `compare` and `mix` one clock later.
They are 0 at the first position of a pass, so that nothing from an earlier pass is compared or added.
"""


def tree_sum(terms: list[Value]) -> Value:
    """The exact sum of at least one term, as a balanced tree of adders."""
    while len(terms) > 1:
        pairs = [a + b for a, b in zip(terms[::2], terms[1::2], strict=False)]
        terms = pairs + terms[len(terms) & ~1 :]
    return terms[0]


class Head(wiring.Component):
    """One query head: scores and their maximum in a first pass, probabilities and weighted sums in a second.

    The same `head_dim` multipliers work in both passes, on one position per clock. In the first pass their registers
    hold products; in the second pass the same registers are the accumulators.

    Parameters
        n: widths and tables.
    Ports
        steps (in, `STEPS`): what to do in this clock.
        query (in, `head_dim` elements of `query_bits` bits): must stand during the first pass.
        word (in, `head_dim` elements of `kv_bits` bits): the head's part of the KV word, in the steps `product` and
            `mix`.
        stored (in, `score_bits` bits): a score that was read back, in the step `distance`.
        score (out, `score_bits` bits): the score, combinational, in the step `score`.
        total (out, `exp_sum_bits` bits, unsigned): Z, the sum of the probabilities.
        sums (out, `head_dim` elements of `value_sum_bits` bits): the sums of probability times value. Like `total`,
            they stand from the clock after the last `mix` until the next `product`.
        Registers have no reset: the first step of each pass overwrites them.
    Timing
        score_latency, weight_latency, sum_latency, pace.
    Golden counterpart
        `hc1gen.golden.attention.attend` for one head, without `normalise`.
    """

    score_latency = 1
    """Clocks from a key on `word` to its `score`."""
    weight_latency = 2
    """Clocks from a score on `stored` to its value on `word`, which is multiplied by the probability in that clock."""
    sum_latency = 3
    """Clocks from a score on `stored` to `total` and `sums` that contain its position."""
    pace = 1
    """Clocks from one position to the next, in both passes."""

    def __init__(self, n: Numerics):
        self.n = n
        c, d = n.config, n.model.head_dim
        super().__init__(
            {
                "steps": In(STEPS),
                "query": In(lanes(d, c.query_bits)),
                "word": In(lanes(d, c.kv_bits)),
                "stored": In(signed(n.score_bits)),
                "score": Out(signed(n.score_bits)),
                "total": Out(unsigned(n.exp_sum_bits)),
                "sums": Out(lanes(d, n.value_sum_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        p = self._probability(m, self._largest(m))
        self._multiply(m, p)
        total = Signal(unsigned(self.n.exp_sum_bits), reset_less=True)
        with m.If(self.steps.mix):
            m.d.sync += total.eq(Mux(self.steps.mixed, total, 0) + p)
        m.d.comb += self.total.eq(total)
        return m

    def _multiply(self, m: Module, p: Value) -> None:
        """Products in the first pass, sums of products in the second, in the same multipliers and registers."""
        n, c = self.n, self.n.config
        product_bits = c.query_bits + c.kv_bits
        products = []
        for i in range(n.model.head_dim):
            factor = Signal(signed(max(c.query_bits, c.prob_bits + 1)), name=f"factor{i}")
            m.d.comb += factor.eq(Mux(self.steps.mix, p, self.query[i]))
            acc = Signal(signed(max(n.value_sum_bits, product_bits)), name=f"acc{i}", reset_less=True)
            with m.If(self.steps.product | self.steps.mix):
                m.d.sync += acc.eq(Mux(self.steps.mixed, acc, 0) + factor * self.word[i])
            m.d.comb += self.sums[i].eq(acc)
            products.append(acc[:product_bits].as_signed())
        raw = tree_sum(products)
        drop = n.score_drop
        m.d.comb += self.score.eq(round_shift(raw, drop) if drop > 0 else raw << -drop)

    def _largest(self, m: Module) -> Value:
        """The maximum of the scores of the first pass."""
        score = Signal.like(self.score, name="last_score", reset_less=True)
        largest = Signal.like(self.score, name="largest", reset_less=True)
        with m.If(self.steps.score):
            m.d.sync += score.eq(self.score)
        with m.If(self.steps.compare & ~(self.steps.compared & (largest >= score))):
            m.d.sync += largest.eq(score)
        return largest

    def _probability(self, m: Module, largest: Value) -> Value:
        """The probability `2**(stored - largest)`, two clocks after `stored`: unsigned, `prob_bits` fraction bits."""
        c = self.n.config
        m.submodules.exp2 = exp2 = Lookup(self.n.tables.exp2)
        below = Signal(unsigned(self.n.score_bits))
        whole = Signal(range(c.prob_bits + 2), reset_less=True)
        fraction = Signal(unsigned(c.score_frac), reset_less=True)
        p = Signal(unsigned(c.prob_bits), reset_less=True)
        m.d.comb += [below.eq(largest - self.stored), exp2.x.eq(fraction)]
        far, limit = below[c.score_frac :], c.prob_bits + 1
        with m.If(self.steps.distance):
            m.d.sync += fraction.eq(below[: c.score_frac])
            m.d.sync += whole.eq(Mux(far > limit, limit, far) if limit >> len(far) == 0 else far)
        with m.If(self.steps.weigh):
            m.d.sync += p.eq(round_shift(exp2.y, whole))
        return p
