"""Keys, values and queries leave as in the golden model, at every position, in every order of positions."""

import numpy as np
from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In
from bench.case import pack
from bench.stalls import STALL_PATTERNS
from bench.timing import Span, between, paced
from cmvm.together import Run, check_together

from hc1gen.frontend.model import ModelConfig
from hc1gen.golden.arith import round_shift
from hc1gen.golden.observer import RangeObserver
from hc1gen.golden.rope import angles, rotate
from hc1gen.network import Order, Plan
from hc1gen.network.llama import rope
from hc1gen.numeric.config import Formats, NumericConfig
from hc1gen.numeric.numerics import Numerics
from hc1gen.rtl.rope import Rope


class PositionInWord(wiring.Component):
    """`Rope` whose position comes with each word; between words the position is noise, as the payload is."""

    def __init__(self, plan: Plan):
        self.block = Rope(rope(plan))
        layout = data.StructLayout({"lanes": self.block.x.payload.shape(), "position": plan.position_bits})
        super().__init__({"x": In(stream.Signature(layout)), "y": self.block.signature.members["y"]})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.block = b = self.block
        m.d.comb += [
            b.x.payload.eq(self.x.payload.lanes),
            b.position.eq(self.x.payload.position),
            b.x.valid.eq(self.x.valid),
            self.x.ready.eq(b.x.ready),
        ]
        wiring.connect(m, b.y, wiring.flipped(self.y))
        return m


def make_plan(
    head_dim: int, heads: int, kv_heads: int, lanes: int, per_clock: int = 1, context: int = 16, **widths: int
) -> Plan:
    model = ModelConfig(
        hidden=heads * head_dim, intermediate=4, layers=1, heads=heads, kv_heads=kv_heads, head_dim=head_dim, vocab=4,
        max_positions=context, rms_eps=1e-5, rope_theta=10000.0, tied=True, bos=None, eos=(),
    )  # fmt: skip
    formats = Formats(residual_bits=13, score_raw_frac=10, logit_frac=4, layers=())
    return Plan(Numerics(NumericConfig(**widths), formats, model, context), lanes, per_clock)


def words(vector: np.ndarray, order: Order, plan: Plan, bits: int) -> list[int]:
    lanes = [0 if i is None else int(vector[i]) for i in order]
    return [pack(lanes[i : i + plan.pair_lanes], bits) for i in range(0, len(lanes), plan.pair_lanes)]


def token_vectors(plan: Plan, rng: np.random.Generator, extreme: bool) -> list[np.ndarray]:
    """Keys, values and queries before RoPE: of random size, or all at an end of the width, which saturates."""
    n = plan.n
    top = 1 << (n.config.qkv_bits - 1)
    found = []
    for heads in (n.model.kv_heads, n.model.kv_heads, n.model.heads):
        size = heads * n.model.head_dim
        small = np.round(rng.normal(size=size) * top / 3)
        found.append(np.clip(rng.choice([-top, top - 1], size) if extreme else small, -top, top - 1).astype(np.int64))
    return found


def golden(plan: Plan, position: int, vectors: list[np.ndarray], observer: RangeObserver) -> list[np.ndarray]:
    """What the golden model makes of keys, values and queries."""
    n, c = plan.n, plan.n.config
    keys, values, queries = vectors
    cos_sin = angles(np.array([position]), n)

    def turned(x: np.ndarray, bits: int, name: str) -> np.ndarray:
        return rotate(x.reshape(1, -1, n.model.head_dim), *cos_sin, bits, n, observer, name).reshape(-1)

    values = observer.saturate("value", round_shift(values, c.qkv_bits - c.kv_bits), c.kv_bits)
    return [turned(keys, c.kv_bits, "key"), values, turned(queries, c.query_bits, "query")]


def run(plan: Plan, positions: list[int], observer: RangeObserver) -> Run:
    """A token at each of these positions."""
    c, rng = plan.n.config, np.random.default_rng(plan.lanes)
    sent, received = [], []
    orders = [segment.order for segment in rope(plan).segments]
    for number, position in enumerate(positions):
        vectors = token_vectors(plan, rng, extreme=number % 3 == 1)
        results = golden(plan, position, vectors, observer)
        lanes_bits = plan.pair_lanes * c.qkv_bits
        for before, after, order in zip(vectors, results, orders, strict=True):
            sent += [w | position << lanes_bits for w in words(before, order, plan, c.qkv_bits)]
            received += words(after, order, plan, max(c.query_bits, c.kv_bits))
    design = PositionInWord(plan)
    return Run(design, {"x": sent}, {"y": received}, timing(design.block, positions, len(sent)))


def timing(block: Rope, positions: list[int], words: int) -> list[Span]:
    """The first word of a token is offered, and its position is there, in the clock after the last one was taken."""
    count = words // len(positions)
    spans = between(block.latency, "x", range(words), "y", range(words))
    for token, position in enumerate(positions):
        start = token * count
        spans += paced(block.pace, "y", range(start, start + count))
        if token:
            wait = block.angle_latency if position != positions[token - 1] else 0
            spans += between(1 + wait, "x", [start - 1], "x", [start])
    return spans


EVERY = [*range(16), 15, 15, 0, 0, 7, 3, 15, 1]
"""All positions of a context of 16, then the same again, and jumps back."""


def test_rope():
    cases = {
        "model": (make_plan(8, 8, 4, 16), EVERY),
        "two": (make_plan(2, 3, 3, 5, 2), EVERY),
        "six": (make_plan(6, 4, 2, 5, context=13), [*range(13), 12, 0, 12]),
        "ten": (make_plan(10, 2, 1, 3), EVERY[8:]),
        "one_lane": (make_plan(6, 2, 2, 1, 2), EVERY[8:]),
        "padded_word": (make_plan(4, 6, 3, 7, 2), EVERY[8:]),
        "other_widths": (make_plan(4, 2, 1, 4, qkv_bits=10, query_bits=8, kv_bits=9), EVERY),
        "long_context": (make_plan(4, 2, 1, 8, context=4096), [0, 4095, 2048, 4095, 1, 4094]),
        "short_context": (make_plan(4, 2, 1, 8, context=1), [0] * 6),
    }
    observer = RangeObserver()
    runs = {name: run(plan, positions, observer) for name, (plan, positions) in cases.items()}
    assert set(observer.saturations) == {"key", "value", "query"}, "the test saturates too little"
    check_together("rope", runs, STALL_PATTERNS)
