"""Bit-planes and exponents are the golden model's, vector behind vector."""

import numpy as np
from bench.case import pack
from bench.stalls import STALL_PATTERNS
from bench.timing import Span, between, paced
from cmvm.together import Run, check_together

from hc1gen.golden.blockfloat import block_float
from hc1gen.rtl.blockfloat import BlockFloat
from hc1gen.rtl.cmvm import EXPONENT_BITS


def special_vectors(in_bits: int, size: int, act_bits: int) -> list[np.ndarray]:
    """Zero, one element, both ends, magnitudes at each power of two, and roundings that reach the largest mantissa."""
    top = 1 << (in_bits - 1)
    last, found = size - 1, [np.zeros(size, np.int64)]
    for place, value in ((0, 1), (last, -1), (0, -top), (last, top - 1), (last // 2, -top)):
        found.append(np.zeros(size, np.int64))
        found[-1][place] = value
    found += [np.full(size, -top), np.full(size, top - 1), np.zeros(size, np.int64)]
    for bits in range(act_bits - 2, in_bits):
        for value in ((1 << bits) - 1, -((1 << bits) - 1), -(1 << bits), (1 << bits) - 2):
            found.append(np.resize(np.array([0, value, 1]), size))
    return [np.clip(v, -top, top - 1) for v in found]


def random_vectors(in_bits: int, size: int, number: int) -> list[np.ndarray]:
    """Vectors of every magnitude: the largest element's place and size vary."""
    rng = np.random.default_rng(size)
    top = 1 << (in_bits - 1)
    scale = 2.0 ** rng.uniform(0, in_bits - 1, number)
    return list(np.clip(np.round(rng.normal(size=(number, size)) * scale[:, None]), -top, top - 1).astype(np.int64))


def planes(mantissas: np.ndarray, exponent: int, act_bits: int) -> list[int]:
    tail = pack([exponent], EXPONENT_BITS) << len(mantissas)
    return [pack(mantissas >> b & 1, 1) | tail for b in range(act_bits)]


def run(in_bits: int, count: int, beats: int, act_bits: int = 8) -> Run:
    """Special and random vectors, each twice."""
    size = count * beats
    vectors = special_vectors(in_bits, size, act_bits) + random_vectors(in_bits, size, 25)
    sent, found = [], []
    for x in vectors:
        mantissas, exponent, _ = block_float(x[None], act_bits)
        sent += 2 * [pack(beat, in_bits) for beat in x.reshape(beats, count)]
        found += planes(mantissas[0], int(exponent[0]), act_bits)
    block = BlockFloat(in_bits, count, beats, act_bits)
    return Run(block, {"x": sent}, {"y": found}, timing(block, len(vectors)))


def timing(block: BlockFloat, vectors: int) -> list[Span]:
    """Each vector comes twice, the next one behind its planes."""
    beats, planes = block.cut.beats, block.planes.bits
    first, again = range(0, 2 * beats * vectors, 2 * beats), range(beats, 2 * beats * vectors, 2 * beats)
    firsts, lasts = range(0, planes * vectors, planes), range(planes - 1, planes * vectors, planes)
    spans = [
        *between(block.latency, "x", [i - 1 for i in again], "y", firsts),
        *between(block.cut.gap, "x", [i - 1 for i in again], "x", again),
        *between(block.plane_latency, "x", [i + beats - 1 for i in again], "y", firsts),
        *between(block.recovery, "y", lasts[:-1], "x", first[1:]),
    ]
    for start in (*first, *again):
        spans += paced(block.cut.pace, "x", range(start, start + beats))
    for start in firsts:
        spans += paced(block.pace, "y", range(start, start + planes))
    return spans


def test_block_float():
    runs = {
        "model": run(16, 4, 4),
        "odd": run(15, 3, 5),
        "one_beat": run(15, 5, 1),
        "one_lane": run(16, 1, 6),
        "one_element": run(12, 1, 1),
        "narrow": run(10, 2, 2, 4),
        "wide": run(16, 2, 3, 12),
        "as_wide": run(8, 2, 2, 8),
        "one_wider": run(9, 2, 2, 8),
        "narrower_than_mantissas": run(6, 2, 2, 8),
    }
    check_together("blockfloat", runs, STALL_PATTERNS)
