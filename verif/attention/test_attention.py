"""Attention in hardware against the golden model: every context of every token, for many shapes."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from bench.case import pack
from bench.check import convert, written
from bench.runner import simulate
from bench.stalls import STALL_PATTERNS
from bench.timing import Span, between, paced

from hc1gen import network
from hc1gen.frontend.model import ModelConfig
from hc1gen.golden.attention import attend
from hc1gen.network import Order, Plan
from hc1gen.network.llama import attention
from hc1gen.numeric.config import Formats, NumericConfig
from hc1gen.numeric.numerics import Numerics
from hc1gen.rtl.attention import Attention, memories

RNG_SEED = 20
AMARANTH_STYLE = ("WIDTHEXPAND", "WIDTHTRUNC", "CASEINCOMPLETE")
"""Verilator's warnings about Amaranth's style: operands of unlike widths, `!count`, cases with nothing to do."""


ACTIVE = 'public_flat_rd -module "attention" -var "active"'
"""The control's word that a word's sums stand, which tests see besides the ports."""


@dataclass(frozen=True)
class Token:
    """One token: its place and the vectors that come with it. q [H, d], k and v [Hkv, d]."""

    position: int
    q: np.ndarray
    k: np.ndarray
    v: np.ndarray


def plan_of(heads, kv_heads, head_dim, lanes, per_clock, *, context=12, drop=5, **config) -> Plan:
    """A plan of this shape; `drop` is the number of bits rounded off a score."""
    numeric = NumericConfig(**config)
    model = ModelConfig(
        hidden=max(lanes, heads * head_dim), intermediate=8, layers=1, heads=heads, kv_heads=kv_heads,
        head_dim=head_dim, vocab=16, max_positions=context, rms_eps=1e-5, rope_theta=1e4, tied=True, bos=1, eos=(2,),
    )  # fmt: skip
    formats = Formats(residual_bits=20, score_raw_frac=numeric.score_frac + drop, logit_frac=10, layers=())
    return Plan(Numerics(numeric, formats, model, context), lanes, per_clock)


class Source:
    """Makes tokens of every kind: `style` chooses how large and how alike the vectors are."""

    def __init__(self, plan: Plan, seed: int = RNG_SEED):
        self.plan, self.rng = plan, np.random.default_rng(seed)

    def token(self, position: int, style: str = "random") -> Token:
        model, c = self.plan.n.model, self.plan.n.config
        q = self._vector((model.heads, model.head_dim), c.query_bits, style)
        k = self._vector((model.kv_heads, model.head_dim), c.kv_bits, style)
        v = self._vector((model.kv_heads, model.head_dim), c.kv_bits, "random" if style == "small" else style)
        return Token(position, q, k, v)

    def _vector(self, shape: tuple[int, int], bits: int, style: str) -> np.ndarray:
        low, high = -(1 << bits - 1), (1 << bits - 1) - 1
        if style == "lowest":
            return np.full(shape, low)
        if style == "highest":
            return np.full(shape, high)
        if style == "extreme":
            return self.rng.choice([low, high], shape)
        if style == "small":
            return np.clip(np.round(self.rng.normal(0, 2 ** (bits / 2 - 2), shape)), low, high).astype(np.int64)
        return self.rng.integers(low, high + 1, shape)


STYLES = ("random", "small", "extreme", "lowest", "highest", "lowest", "small", "small")


def conversation(plan: Plan, count: int) -> list[Token]:
    """Positions from 0 up, steps back (the cache is overwritten), then on to the last position of the context."""
    source, context = Source(plan), plan.n.context
    back = count // 2
    positions = [*range(count), *range(back, count), *range(min(back, 2)), *range(min(back, 2), context)]
    return [source.token(p, STYLES[i % len(STYLES)]) for i, p in enumerate(positions)]


def contexts(node: network.Attention, tokens: list[Token]) -> list[np.ndarray]:
    """What the golden model makes of the tokens, one after the other: [H * d] each."""
    model, n = node.n.model, node.n
    keys = np.zeros((n.context, model.kv_heads, model.head_dim), np.int64)
    values = np.zeros_like(keys)
    results = []
    for t in tokens:
        keys[t.position], values[t.position] = t.k, t.v
        end = t.position + 1
        results.append(attend(t.q[None], keys[:end], values[:end], np.array([t.position]), n)[0])
    return results


def beats(order: Order, vector: np.ndarray, lanes: int, width: int, noise: np.random.Generator | None) -> list[int]:
    """A vector in this order as payloads; padding lanes hold 0, or noise."""
    fill = (lambda: int(noise.integers(0, 1 << width))) if noise else (lambda: 0)
    flat = [fill() if index is None else int(vector[index]) for index in order]
    return [pack(flat[i : i + lanes], width) for i in range(0, len(flat), lanes)]


def timing(design: Attention, tokens: list[Token]) -> list[Span]:
    """All beats of a token in, its contexts out, then the next token; with one word per position, all contexts twice.

    The sums of a word stand in the clock that the control says; its contexts follow as the normaliser says.
    """
    plan, control, normaliser = design.node, design.control, design.normaliser
    taken = sum(len(order) // plan.pair_lanes for order in (plan.keys, plan.values, plan.queries))
    given = len(plan.outputs) // plan.lanes
    whole = (2 if plan.kv_words == 1 else 1) * given
    spans = []
    for token, t in enumerate(tokens):
        x, y = range(token * taken, (token + 1) * taken), range(token * whole, (token + 1) * whole)
        spans += paced(design.pace, "x", x)
        spans += between(design.latency(t.position), "x", [x[-1]], "y", [y[0]])
        spans += between(design.duration(t.position), "x", [x[-1]], "y", [y[given - 1]])
        for word in range(plan.kv_words):
            active, first = token * plan.kv_words + word, y[word * normaliser.beats]
            if word == 0:
                spans += between(control.latency(t.position), "x", [x[-1]], "active", [active])
            for beat in range(normaliser.beats):
                spans += between(normaliser.latency(beat), "active", [active], "y", [first + beat])
        if token < len(tokens) - 1:
            spans += between(design.recovery, "y", [y[-1]], "x", [x[-1] + 1])
    return spans


def case_of(design: Attention, tokens: list[Token], patterns: list[str], interrupts: list[int]) -> dict[str, object]:
    node, noise = design.node, np.random.default_rng(1)
    c = node.n.config
    width = max(c.query_bits, c.kv_bits)
    inputs, outputs = [], []
    times = node.output.passes
    for token, context in zip(tokens, contexts(node, tokens), strict=True):
        for order, vector in ((node.keys, token.k), (node.values, token.v), (node.queries, token.q)):
            inputs += beats(order, vector.reshape(-1), node.pair_lanes, width, noise)
        outputs += times * beats(node.outputs, context, node.lanes, node.n.attention_bits, None)
    return {
        "inputs": inputs,
        "outputs": outputs,
        "times": times,
        "positions": [t.position for t in tokens],
        "clocks": [design.duration(t.position) for t in tokens],
        "timing": timing(design, tokens),
        "patterns": patterns,
        "interrupts": interrupts,
        "timeout": 400_000,
    }


def run(
    plan: Plan, tokens: list[Token], tmp_path: Path, patterns: Iterable[str] = ("none", "both"), interrupts=(40,)
) -> None:
    """Simulate the tokens under every pattern; each pattern's run follows runs cut short after `interrupts` clocks."""
    plan.verify()
    design = Attention(attention(plan))
    sources = [convert(design, "attention"), *written(tmp_path, memories(design.node))]
    case = case_of(design, tokens, [*patterns], [*interrupts])
    lines = [*(f"lint_off -rule {rule}" for rule in AMARANTH_STYLE), ACTIVE]
    simulate("attention", sources, "attention", "attention.tokens", case=case, vlt_lines=lines)


DEFAULT = (8, 4, 8, 16, 4)


def test_default_shape_under_all_patterns(tmp_path: Path):
    plan = plan_of(*DEFAULT, context=40)
    run(plan, conversation(plan, 16), tmp_path, STALL_PATTERNS, interrupts=[3, 9, 20, 31, 47, 75])


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(plan_of(8, 4, 8, 16, 1), id="one-kv-head-per-clock"),
        pytest.param(plan_of(8, 4, 6, 16, 3), id="three-of-four-kv-heads"),
        pytest.param(plan_of(3, 3, 10, 5, 2, drop=-3), id="mha-odd-lanes-negative-drop"),
        pytest.param(plan_of(4, 1, 2, 3, 1, drop=0), id="mqa-head-dim-2"),
        pytest.param(plan_of(2, 2, 8, 1, 2, drop=0, kv_bits=5, query_bits=7, prob_bits=6), id="one-lane"),
        pytest.param(plan_of(6, 3, 4, 40, 2, context=9, drop=2, score_frac=5), id="more-lanes-than-elements"),
        pytest.param(
            plan_of(2, 1, 4, 4, 1, context=1, prob_bits=16, recip_bits=16, kv_bits=12, query_bits=9, attention_frac=0),
            id="one-position-wide-cache",
        ),
        pytest.param(plan_of(1, 1, 2, 2, 1, context=5, drop=13, score_frac=16, exp_index=7), id="coarse-scores"),
    ],
)
def test_shapes(tmp_path: Path, plan: Plan):
    run(plan, conversation(plan, min(7, plan.n.context)), tmp_path)


@pytest.mark.parametrize("drop", [-2, 0, 3])
def test_extremes_of_power_of_two_head_dim(tmp_path: Path, drop: int):
    """All-lowest queries and keys give the one score that needs the last bit; Z and the sums are at their largest."""
    plan = plan_of(1, 1, 2, 2, 1, context=16, drop=drop, kv_bits=4, query_bits=6, prob_bits=6)
    source = Source(plan)
    tokens = [source.token(p, style) for style in ("lowest", "highest") for p in range(16)]
    run(plan, tokens + [source.token(15, s) for s in STYLES], tmp_path, patterns=["none"])


def test_latency_of_the_default_shape():
    """The clocks that the simulations above measure, in figures."""
    design = Attention(attention(plan_of(*DEFAULT, context=512)))
    assert [design.duration(position) for position in (0, 1, 100, 511)] == [19, 21, 219, 1041]
