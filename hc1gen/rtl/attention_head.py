"""One query head of attention: multipliers, score, running maximum, probability and the sums they end in."""

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
"""What the heads do in a clock; each pipeline stage has its bit, high where it holds a position.

Pass 1: `product` (query times the key word just read), `score` (sum, rounded: the score buffer is written), `compare`
(with the maximum so far). Pass 2: `distance` (of the score just read from the maximum), `weigh` (its probability: the
value word is read), `mix` (probability times value, accumulated). `compared` and `mixed` are `compare` and `mix` one
clock later: low with a pass's first position, when there is nothing to add to.
"""


def tree_sum(terms: list[Value]) -> Value:
    """The exact sum as a balanced tree of adders."""
    while len(terms) > 1:
        pairs = [a + b for a, b in zip(terms[::2], terms[1::2], strict=False)]
        terms = pairs + terms[len(terms) & ~1 :]
    return terms[0]


class Head(wiring.Component):
    """`head_dim` multipliers, one position per clock, moved by `steps`.

    query: stands during pass 1. word: the head's part of the KV word, in step `product` or `mix`.
    score: combinational, in step `score`. stored: a score read back, in step `distance`.
    total: Z. sums: of probability times value; both stand from the clock after the last `mix` to the next `product`.
    Registers have no reset. In pass 1 the accumulators hold the products.
    """

    score_latency = 1
    """Clocks from a key on `word` to its `score`."""
    weight_latency = 2
    """Clocks from `stored` to the clock in which its value is weighed, on `word`."""
    sum_latency = 3
    """Clocks from `stored` to `total` and `sums` with this position in them."""
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
        """Products in pass 1, sums of products in pass 2, by the same multipliers and in the same registers."""
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
        """The maximum of the pass's scores."""
        score = Signal.like(self.score, name="last_score", reset_less=True)
        largest = Signal.like(self.score, name="largest", reset_less=True)
        with m.If(self.steps.score):
            m.d.sync += score.eq(self.score)
        with m.If(self.steps.compare & ~(self.steps.compared & (largest >= score))):
            m.d.sync += largest.eq(score)
        return largest

    def _probability(self, m: Module, largest: Value) -> Value:
        """`2**(stored - largest)`, two registers behind `stored`."""
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
