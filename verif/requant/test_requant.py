"""Requantisation is the golden model's, for every shift, at both ends of every width."""

from typing import Any

import numpy as np
from bench.case import pack
from bench.stalls import STALL_PATTERNS
from cmvm.together import Run, check_together

from hc1gen.golden.arith import Meter
from hc1gen.golden.cmvm import requantize
from hc1gen.rtl.cmvm import EXPONENT_BITS
from hc1gen.rtl.requant import Requant
from hc1gen.rtl.tile import SHIFT_BITS

Beat = tuple[np.ndarray, np.ndarray, np.ndarray, int]
"""Accumulators, mantissas and shifts of the lanes, and the exponent."""


def random_beats(acc_bits: int, scale_bits: int, count: int, number: int) -> list[Beat]:
    """Accumulators of every magnitude, both ends included, under shifts that matter and a few that do not."""
    rng = np.random.default_rng(acc_bits)
    top = 1 << (acc_bits - 1)
    found = []
    for _ in range(number):
        acc = np.sign(rng.normal(size=count)) * 2.0 ** rng.uniform(0, acc_bits - 1, count)
        acc = np.clip(np.where(rng.random(count) < 0.2, rng.choice([-top, top - 1, 0, -1], count), acc), -top, top - 1)
        mantissa = rng.integers(1 << (scale_bits - 1), 1 << scale_bits, count)
        mantissa[rng.random(count) < 0.2] = (1 << scale_bits) - 1
        exponent = int(rng.integers(-40, 40))
        shift = np.clip(rng.integers(-2, acc_bits + scale_bits + 3, count) + exponent, -127, 127)
        found.append((acc.astype(np.int64), mantissa, shift, exponent))
    return found


def every_shift(acc_bits: int, scale_bits: int, count: int) -> list[Beat]:
    """Every difference of a shift and an exponent, for accumulators at both ends."""
    low, top = -(1 << (acc_bits - 1)), (1 << (scale_bits - 1))
    acc = np.resize(np.array([low, -low - 1, -1, 1]), count)
    mantissa = np.resize(np.array([2 * top - 1, 2 * top - 1, top, top]), count)
    return [
        (acc, mantissa, np.full(count, shift), exponent)
        for exponent in (-128, 0, 127)
        for shift in (*range(-127, -120), *range(-5, 60), *range(120, 128))
    ]


def halves(count: int) -> list[Beat]:
    """Results that lie exactly half way between two integers, and one step beside."""
    return [
        (np.resize(np.array([odd, -odd, odd + 1, -odd - 1]), count), np.full(count, 512), np.full(count, shift + 9), 0)
        for shift in (1, 2, 5)
        for odd in ((1 << shift >> 1) + (k << shift) for k in range(-2, 3))
    ]


def run(acc_bits: int, scale_bits: int, out_bits: tuple[int, ...], beats: list[Beat]) -> Run:
    count = len(out_bits)
    sent, received = [], []
    for acc, mantissa, shift, exponent in beats:
        word = offset = 0
        fields: list[tuple[Any, int]] = [
            (acc, acc_bits),
            (mantissa, scale_bits),
            (shift, SHIFT_BITS),
            ([exponent], EXPONENT_BITS),
        ]
        for lanes, width in fields:
            word |= pack(lanes, width) << offset
            offset += len(lanes) * width
        sent.append(word)
        y = [
            requantize(acc[None, i], mantissa[i], shift[i], np.array([exponent]), out_bits[i], Meter(), "").item()
            for i in range(count)
        ]
        received.append(pack(y, max(out_bits)))
    return Run(Requant(acc_bits, scale_bits, out_bits), {"x": sent}, {"y": received})


def test_requantisation():
    runs = {
        "model": run(17, 10, (12, 12, 12, 12), halves(4) + random_beats(17, 10, 4, 300)),
        "mixed": run(13, 10, (14, 12, 14), random_beats(13, 10, 3, 200)),
        "ends": run(17, 10, (12, 16, 16, 12), every_shift(17, 10, 4)),
        "wide": run(30, 16, (40,), every_shift(30, 16, 1) + random_beats(30, 16, 1, 300)),
        "narrow": run(9, 4, (6,), random_beats(9, 4, 1, 300)),
    }
    check_together("requant", runs, STALL_PATTERNS)
