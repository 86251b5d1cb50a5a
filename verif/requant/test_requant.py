"""Requantisation is the golden model's, for every shift, at both ends of every width."""

from typing import Any

import numpy as np
from bench.case import pack
from bench.stalls import STALL_PATTERNS
from bench.timing import through
from cmvm.together import Run, check_together

from hc1gen.golden.cmvm import requantize, row_scales
from hc1gen.golden.observer import RangeObserver
from hc1gen.rtl.cmvm import EXPONENT_BITS
from hc1gen.rtl.requant import Requant, Source
from hc1gen.rtl.tiles.tile import SHIFT_BITS

Beat = tuple[np.ndarray, np.ndarray, np.ndarray, int]
"""Accumulators, mantissas and shifts of the lanes, and the exponent."""
ANY = range(-255, 256)
"""Differences of a shift and an exponent of which nothing is known."""


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


def known(beats: list[Beat], shifts: range) -> list[Beat]:
    """Beats whose shifts stay within `shifts`, but in lanes whose accumulator is 0."""
    found = []
    for acc, mantissa, shift, exponent in beats:
        held = np.clip(shift - exponent, shifts[0], shifts[-1]) + exponent
        found.append((acc, mantissa, np.where(acc == 0, shift, held), exponent))
    return [beat for beat in found if np.abs(beat[2]).max() < 128]


def words(source: Source, beats: list[Beat], drop_bits: int) -> tuple[list[int], list[int]]:
    """What goes into a source's stream, and what must come out."""
    rng = np.random.default_rng(source.acc_bits)
    sent, received = [], []
    for acc, mantissa, shift, exponent in beats:
        factor = int(rng.integers(1 << source.factor_bits >> 1, 1 << source.factor_bits)) if source.factor_bits else 0
        word = offset = 0
        fields: list[tuple[Any, int]] = [
            (acc, source.acc_bits),
            (mantissa, source.scale_bits),
            (shift, SHIFT_BITS),
            ([exponent], EXPONENT_BITS),
        ]
        if source.factor_bits:
            fields.append(([factor], source.factor_bits))
        for lanes, width in fields:
            word |= pack(lanes, width) << offset
            offset += len(lanes) * width
        sent.append(word)
        scale = row_scales(mantissa, np.array([factor]), source.factor_bits)[0] if source.factor_bits else mantissa
        y = [
            requantize(
                acc[None, i] << drop_bits, scale[i], shift[i], np.array([exponent]), bits, RangeObserver(), ""
            ).item()
            for i, bits in enumerate(source.out_bits)
        ]
        received.append(pack(y, max(source.out_bits)))
    return sent, received


def run(*sources: tuple[Source, list[Beat]], drop_bits: int = 0) -> Run:
    """All sources at once, each as fast as it is served; of those with a common sink, one has beats."""
    pairs = [(source, *words(source, beats, drop_bits)) for source, beats in sources]
    inputs = {f"x{i}": sent for i, (_, sent, _) in enumerate(pairs)}
    outputs = {f"y{source.sink}": received for source, _, received in pairs if received}
    timing = [
        span
        for i, (source, sent, _) in enumerate(pairs)
        for span in through(Requant.latency, Requant.pace, len(sent), f"x{i}", f"y{source.sink}")
    ]
    return Run(Requant(*(s for s, _ in sources), drop_bits=drop_bits), inputs, outputs, timing)


def test_requantisation():
    narrow, wide = range(4, 19), range(-3, 11)
    one, other = Source(0, 14, 8, (16, 16), narrow, 6), Source(0, 17, 6, (16, 16), wide)
    beats = {one: known(random_beats(14, 8, 2, 200), narrow), other: known(random_beats(17, 6, 2, 200), wide)}
    between = (Source(1, 12, 6, (12, 11, 12), ANY), random_beats(12, 6, 3, 100))
    runs = {
        "model": run((Source(0, 17, 10, (12, 12, 12, 12), ANY), halves(4) + random_beats(17, 10, 4, 300))),
        "mixed": run((Source(0, 13, 10, (14, 12, 14), ANY), random_beats(13, 10, 3, 200))),
        "ends": run((Source(0, 17, 10, (12, 16, 16, 12), ANY), every_shift(17, 10, 4))),
        "wide": run((Source(0, 30, 16, (40,), ANY), every_shift(30, 16, 1) + random_beats(30, 16, 1, 300))),
        "narrow": run((Source(0, 9, 4, (6,), ANY), random_beats(9, 4, 1, 300))),
        "factor": run((Source(0, 15, 8, (12, 9), ANY, 8), random_beats(15, 8, 2, 300))),
        "known": run((Source(0, 14, 8, (12, 11), narrow), known(random_beats(14, 8, 2, 300), narrow))),
        "known_below": run((Source(0, 14, 8, (12, 11), wide), known(every_shift(14, 8, 2), wide))),
        "dropped": run((Source(0, 14, 6, (12, 12, 12, 12), ANY), random_beats(14, 6, 4, 400)), drop_bits=3),
        "dropped_below": run((Source(0, 11, 6, (12, 11), wide), known(every_shift(11, 6, 2), wide)), drop_bits=4),
        "two": run(
            (Source(0, 14, 8, (12, 11, 12), narrow, 6), known(random_beats(14, 8, 3, 200), narrow)),
            (Source(1, 17, 6, (16, 16), wide), known(random_beats(17, 6, 2, 200), wide)),
        ),
        "first_of_a_sink": run((one, beats[one]), between, (other, []), drop_bits=2),
        "second_of_a_sink": run((one, []), between, (other, beats[other]), drop_bits=2),
    }
    check_together("requant", runs, STALL_PATTERNS)
