"""Function tables with linear interpolation: the one definition that golden model and RTL share.

`y = base[i] + round_half_up(slope[i] * f / 2**frac_bits)`, `i` the top bits and `f` the low bits of the argument.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .config import NumericConfig


@dataclass(frozen=True, eq=False)
class InterpolatedTable:
    """A function on [0, 1) given as `2**index_bits` chords; arguments have `index_bits + frac_bits` bits.

    `base` is unsigned, `slope` signed; the result has `out_bits` unsigned bits for every argument.
    """

    name: str
    base: np.ndarray
    slope: np.ndarray
    index_bits: int
    frac_bits: int
    out_bits: int

    @classmethod
    def build(
        cls, name: str, f: Callable[[np.ndarray], np.ndarray], index_bits: int, frac_bits: int, out_bits: int,
        scale: float | None = None,
    ) -> "InterpolatedTable":  # fmt: skip
        """Sample `f * scale` (default `2**out_bits`) at the ends of every chord, clipped to `out_bits` bits."""
        x = np.arange((1 << index_bits) + 1) / (1 << index_bits)
        y = np.floor(f(x) * (scale if scale is not None else 1 << out_bits) + 0.5)
        y = np.clip(y, 0, (1 << out_bits) - 1).astype(np.int64)
        return cls(name, y[:-1], np.diff(y), index_bits, frac_bits, out_bits)

    @property
    def in_bits(self) -> int:
        return self.index_bits + self.frac_bits

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Integers [..] of `in_bits` unsigned bits → integers [..] of `out_bits` unsigned bits."""
        i = x >> self.frac_bits
        f = x & ((1 << self.frac_bits) - 1)
        half = (1 << self.frac_bits) >> 1
        return self.base[i] + ((self.slope[i] * f + half) >> self.frac_bits)


@dataclass(frozen=True, eq=False)
class Tables:
    """The tables of one chip.

    rsqrt: mantissas [1, 2) then [2, 4), chosen by the argument's top bit; recip: 1/m for m in [1, 2);
    exp2: 2**-f for f in [0, 1); exponential: the same, for the sampler; sine: the first quarter wave; silu_tail:
    relu(x) - silu(x) for |x| below 2**silu_range.
    """

    rsqrt: InterpolatedTable
    recip: InterpolatedTable
    exp2: InterpolatedTable
    exponential: InterpolatedTable
    sine: InterpolatedTable
    silu_tail: InterpolatedTable


def _rsqrt(u: np.ndarray) -> np.ndarray:
    """1/sqrt(m): u in [0, 1/2) is m in [1, 2), u in [1/2, 1] is m in [2, 4]."""
    return 1.0 / np.sqrt(np.where(u < 0.5, 1.0 + 2.0 * u, 4.0 * u))


def _sine(u: np.ndarray) -> np.ndarray:
    """The first quarter wave."""
    return np.sin(u * np.pi / 2)


def _silu_tail(x: np.ndarray) -> np.ndarray:
    """relu(x) - silu(x) for x >= 0."""
    return x / (1.0 + np.exp(x))


@lru_cache
def make_tables(c: NumericConfig) -> Tables:
    """The tables that `c` asks for."""
    build = InterpolatedTable.build
    return Tables(
        rsqrt=build("rsqrt", _rsqrt, c.rsqrt_index + 1, c.mantissa_bits - c.rsqrt_index, c.rsqrt_bits),
        recip=build("recip", lambda u: 1.0 / (1.0 + u), c.recip_index, c.mantissa_bits - c.recip_index, c.recip_bits),
        exp2=build("exp2", lambda u: 2.0**-u, c.exp_index, c.score_frac - c.exp_index, c.prob_bits),
        exponential=build(
            "exponential", lambda u: 2.0**-u, c.sample_index, c.sample_frac - c.sample_index, c.sample_bits
        ),
        sine=build("sine", _sine, c.angle_index, c.quarter_bits - c.angle_index, c.angle_bits),
        silu_tail=build(
            "silu_tail", lambda u: _silu_tail(u * 2**c.silu_range), c.silu_index,
            c.silu_range + c.gate_frac - c.silu_index, c.gate_frac - 1,
            scale=1 << c.gate_frac,
        ),
    )  # fmt: skip
