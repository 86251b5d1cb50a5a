"""SwiGLU is the golden model's: every gate of a narrow format, and both ends of every width."""

from itertools import product

import numpy as np
from bench.case import pack
from bench.stalls import STALL_PATTERNS
from bench.timing import through
from cmvm.together import Run, check_together
from embedding.shapes import make_plan

from hc1gen.golden.swiglu import swiglu
from hc1gen.numeric.config import NumericConfig
from hc1gen.numeric.numerics import Numerics
from hc1gen.rtl.swiglu import SwiGlu


def numerics(**changes: int) -> Numerics:
    model = make_plan(1, 2, 2).n
    return Numerics(NumericConfig(**changes), model.formats, model.model, 8)


def run(n: Numerics, pairs: int, gates: np.ndarray, ups: np.ndarray) -> Run:
    """Gates and ups [T] side by side, `pairs` a beat; the last beat is filled up with zeros."""
    fill = -len(gates) % pairs
    gates, ups = np.append(gates, np.zeros(fill, np.int64)), np.append(ups, np.zeros(fill, np.int64))
    width = max(n.config.gate_bits, n.config.up_bits)
    sent = np.stack([gates, ups], axis=1).reshape(-1, 2 * pairs)
    received = swiglu(gates, ups, n).reshape(-1, pairs)
    words = {"x": [pack(b, width) for b in sent]}, {"y": [pack(b, n.intermediate_bits) for b in received]}
    return Run(SwiGlu(n, pairs), *words, through(SwiGlu.latency, SwiGlu.pace, len(sent)))


def ends(bits: int) -> list[int]:
    top = 1 << (bits - 1)
    return [-top, 1 - top, -1, 0, 1, top - 1]


def every_gate(n: Numerics, pairs: int) -> Run:
    """All gates, half of them beyond the table, with the ends of ups."""
    top = 1 << (n.config.gate_bits - 1)
    gates, ups = np.array([*product(range(-top, top), ends(n.config.up_bits))]).T
    return run(n, pairs, gates, ups)


def some_gates(n: Numerics, pairs: int) -> Run:
    """Both ends of everything, the ends of the table, and random ones."""
    c, rng = n.config, np.random.default_rng(0)
    beyond = 1 << n.tables.silu_tail.in_bits
    edges = [e for e in (beyond - 1, beyond, -beyond, 1 - beyond) if e.bit_length() < c.gate_bits]
    pairs_of = np.array([*product([*ends(c.gate_bits), *edges], ends(c.up_bits))])
    random = np.stack([rng.integers(-(1 << b - 1), 1 << b - 1, 600) for b in (c.gate_bits, c.up_bits)], axis=1)
    return run(n, pairs, *np.concatenate([pairs_of, random]).T)


def test_swiglu():
    narrow = {"gate_frac": 4, "gate_bits": 10, "up_bits": 6, "intermediate_bits": 10, "silu_index": 3}
    runs = {
        "every_gate": every_gate(numerics(**narrow), 3),
        "model": some_gates(numerics(), 4),
        "nothing_dropped": some_gates(numerics(intermediate_bits=24, gate_bits=12, up_bits=8), 1),
        "gate_within_table": some_gates(numerics(gate_bits=10, up_bits=14), 2),
    }
    check_together("swiglu", runs, STALL_PATTERNS)
