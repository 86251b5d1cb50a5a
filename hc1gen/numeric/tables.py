"""Function tables with linear interpolation. The golden model and the RTL share this definition.

`y = base[i] + round_half_up(slope[i] * f / 2**frac_bits)`, where `i` is the top `index_bits` bits of the argument and
`f` is the low `frac_bits` bits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .config import NumericConfig


@dataclass(frozen=True, eq=False)
class InterpolatedTable:
    """A function on [0, 1), approximated by `2**index_bits` chords.

    base: int64 [2**index_bits], unsigned. slope: int64 [2**index_bits], signed. An argument has
    `index_bits + frac_bits` bits, all of them fraction, and the result has `out_bits` bits; both are unsigned.
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
        """Samples `f * scale` at the ends of every chord, and clips the samples to `out_bits` bits.

        The default of `scale` is `2**out_bits`.
        """
        x = np.arange((1 << index_bits) + 1) / (1 << index_bits)
        y = np.floor(f(x) * (scale if scale is not None else 1 << out_bits) + 0.5)
        y = np.clip(y, 0, (1 << out_bits) - 1).astype(np.int64)
        return cls(name, y[:-1], np.diff(y), index_bits, frac_bits, out_bits)

    @property
    def in_bits(self) -> int:
        """Width of an argument."""
        return self.index_bits + self.frac_bits

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Returns the function at integers [..] of `in_bits` bits, as integers [..] of `out_bits` bits, unsigned."""
        i = x >> self.frac_bits
        f = x & ((1 << self.frac_bits) - 1)
        half = (1 << self.frac_bits) >> 1
        return self.base[i] + ((self.slope[i] * f + half) >> self.frac_bits)


@dataclass(frozen=True, eq=False)
class Tables:
    """The function tables of one chip.

    rsqrt: 1/sqrt(m); the top bit of the argument chooses m in [1, 2) or in [2, 4). recip: 1/m for m in [1, 2).
    exp2: 2**-f for f in [0, 1), for attention. exponential: the same function for the sampler. sine: the first quarter
    of a sine wave. silu_tail: relu(x) - silu(x), for |x| below 2**silu_range.
    """

    rsqrt: InterpolatedTable
    recip: InterpolatedTable
    exp2: InterpolatedTable
    exponential: InterpolatedTable
    sine: InterpolatedTable
    silu_tail: InterpolatedTable


def _rsqrt(u: np.ndarray) -> np.ndarray:
    """Returns 1/sqrt(m) for arguments u: u in [0, 1/2) means m in [1, 2), and u in [1/2, 1] means m in [2, 4]."""
    return 1.0 / np.sqrt(np.where(u < 0.5, 1.0 + 2.0 * u, 4.0 * u))


def _sine(u: np.ndarray) -> np.ndarray:
    """Returns the first quarter of a sine wave, for u in [0, 1]."""
    return np.sin(u * np.pi / 2)


def _silu_tail(x: np.ndarray) -> np.ndarray:
    """Returns relu(x) - silu(x) for x >= 0."""
    return x / (1.0 + np.exp(x))


@lru_cache
def make_tables(c: NumericConfig) -> Tables:
    """Returns the tables of a config. They are built once and then cached."""
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
