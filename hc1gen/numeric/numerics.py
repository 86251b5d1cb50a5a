"""Every width and shift of the chip that follows from the config, the formats and the shape of the model.

Golden model and RTL both read this, so that a width is derived once.
"""

import math
from dataclasses import dataclass

import numpy as np

from ..frontend.model import ModelConfig
from .config import Formats, NumericConfig
from .tables import Tables, make_tables

RANDOM_BITS = 32
"""R: width of a random number; drawing and accepting are exact to 2**-R."""
TEMPERATURE_BITS, TEMPERATURE_FRAC = 16, 12
"""A sampling temperature, unsigned; 0 asks for the most likely token."""
SLOPE_BITS, SLOPE_FRAC = 17, 12
"""`log2(e) / temperature`, unsigned."""
LOG2E_FRAC = 20
LOG2E = round(math.log2(math.e) * 2**LOG2E_FRAC)


def bits_for(largest: int) -> int:
    """Unsigned bits that hold 0..largest."""
    return max(1, int(largest).bit_length())


@dataclass(frozen=True)
class Numerics:
    """Derived widths. `context` is the number of positions the KV cache holds; it widens sums, never values."""

    config: NumericConfig
    formats: Formats
    model: ModelConfig
    context: int

    @property
    def tables(self) -> Tables:
        return make_tables(self.config)

    # RMSNorm ------------------------------------------------------------------------------------------------------
    @property
    def residual_bits(self) -> int:
        return self.formats.residual_bits

    @property
    def norm_lift(self) -> int:
        """Zeros appended to a residual, so that a vector whose largest magnitude is 1/8 fills `norm_bits`."""
        return max(0, self.config.norm_bits + 2 - self.config.residual_frac)

    @property
    def norm_shift(self) -> int:
        """Largest shift that brings a lifted residual, or one with a large gain, to `norm_bits`."""
        return max(0, self.residual_bits + self.norm_lift + 1 - self.config.norm_bits)

    @property
    def epsilons(self) -> list[int]:
        """`n * eps` in units of the sum of squares, for every shift."""
        frac = self.config.residual_frac + self.norm_lift - self.square_exponent
        return [round(self.model.hidden * self.model.rms_eps * 4.0 ** (frac - s)) for s in range(self.norm_shift + 1)]

    @property
    def square_drop(self) -> int:
        """Bits of a mantissa's magnitude that are cut off before it is squared."""
        return self.config.norm_bits - 1 - self.config.square_bits

    @property
    def square_exponent(self) -> int:
        """What is squared is worth this power of two: a magnitude that was cut off is half a bit larger."""
        return self.square_drop - 1

    @property
    def square_sum_bits(self) -> int:
        """Unsigned width of the sum of squares plus epsilon."""
        return bits_for(self.model.hidden * 4 ** (self.config.square_bits + 1) + self.epsilons[0])

    @property
    def norm_drop(self) -> int:
        """Bits dropped from mantissa * gain: the largest mantissa times a gain of half the range just fits."""
        return max(0, self.config.norm_bits + self.config.gain_bits - 2 - self.config.act_bits)

    @property
    def norm_exponents(self) -> range:
        """Exponents of a normed vector: half the place of the leading one of the sum of squares, negative."""
        once_shifted = 4 ** (self.config.square_bits - 2)  # the largest is at least a quarter of its range, all but 1
        smallest = self.model.hidden + min(self.epsilons[0], once_shifted)
        return range(-((self.square_sum_bits - 1) // 2), -((smallest.bit_length() - 1) // 2) + 1)

    # RoPE ---------------------------------------------------------------------------------------------------------
    @property
    def frequency_steps(self) -> list[int]:
        """Turns per position as `phase_bits` fractions, one for each rotary pair of a head."""
        half, theta = self.model.head_dim // 2, self.model.rope_theta
        return [math.floor(theta ** (-i / half) / math.tau * 2.0**self.config.phase_bits + 0.5) for i in range(half)]

    # Queries and keys ---------------------------------------------------------------------------------------------
    def key_fracs(self, layer: int) -> np.ndarray:
        """Fraction of every row of the K matrix, after RoPE: int64 [kv_heads * head_dim]."""
        pairs = np.array(self.formats.layers[layer].key_frac).reshape(self.model.kv_heads, -1)
        return np.concatenate([pairs, pairs], axis=1).reshape(-1)

    def query_fracs(self, layer: int) -> np.ndarray:
        """Fraction of every row of the Q matrix, after RoPE: int64 [heads * head_dim]."""
        group = self.model.heads // self.model.kv_heads
        keys = self.key_fracs(layer).reshape(self.model.kv_heads, 1, -1)
        return (self.formats.score_raw_frac - keys).repeat(group, axis=1).reshape(-1)

    # Block floating point -----------------------------------------------------------------------------------------
    @property
    def attention_bits(self) -> int:
        """Width of an attention output: |V| rounded up to a power of two, and the fraction."""
        return self.config.kv_bits + self.config.attention_frac + 1

    # Attention ----------------------------------------------------------------------------------------------------
    @property
    def score_drop(self) -> int:
        """Bits rounded off a raw score; below 0: zeros appended."""
        return self.formats.score_raw_frac - self.config.score_frac

    @property
    def score_bits(self) -> int:
        """Width of a score: holds every sum of `head_dim` products, the one of all-lowest queries and keys included."""
        peak = self.model.head_dim << (self.config.query_bits + self.config.kv_bits - 2)
        drop, grow = max(self.score_drop, 0), max(-self.score_drop, 0)
        return ((((peak << 1 >> drop) + 1) >> 1) << grow).bit_length() + 1

    @property
    def exp_sum_bits(self) -> int:
        """Unsigned width of Z, the sum of `context` unnormalised probabilities."""
        return bits_for(self.context * ((1 << self.config.prob_bits) - 1))

    @property
    def value_sum_bits(self) -> int:
        """Width of the probability-weighted sum of values."""
        return self.exp_sum_bits + self.config.kv_bits

    @property
    def attention_guard(self) -> int:
        """Fraction kept when a sum of values is aligned to Z, before it is multiplied by 1/Z."""
        return self.config.attention_frac + 2

    # MLP ----------------------------------------------------------------------------------------------------------
    @property
    def intermediate_bits(self) -> int:
        """Width of silu(gate) * up after the drop."""
        return self.config.gate_bits + self.config.up_bits - self.intermediate_drop

    @property
    def intermediate_drop(self) -> int:
        """Bits dropped from silu(gate) * up so that the product never saturates `intermediate_bits`."""
        return max(0, self.config.gate_bits + self.config.up_bits - self.config.intermediate_bits)

    # Sampler: e, its sum Z, and W, the sum of max(e_p * Z_q - e_q * Z_p, 0) -----------------------------------------
    @property
    def sample_drop(self) -> int:
        """Bits rounded off a logit's distance times the slope; below 0: zeros appended."""
        return self.formats.logit_frac + SLOPE_FRAC - self.config.sample_frac

    @property
    def sample_sum_bits(self) -> int:
        """Unsigned width of Z, the sum of `vocab` exponentials."""
        return bits_for(self.model.vocab * self._largest_exponential)

    @property
    def residual_weight_bits(self) -> int:
        """Unsigned width of max(e_p * Z_q - e_q * Z_p, 0): largest where p is on one token and q on all others."""
        return bits_for((self.model.vocab - 1) * self._largest_exponential**2)

    @property
    def residual_total_bits(self) -> int:
        """Unsigned width of W: largest where p is on one half of the vocabulary and q on the other.

        With S the tokens of weight above 0 and the rest R, W = e_p(S) * e_q(R) - e_q(S) * e_p(R), which is at most
        |S| * |R| squares of the largest exponential.
        """
        half = self.model.vocab // 2
        return bits_for(half * (self.model.vocab - half) * self._largest_exponential**2)

    @property
    def _largest_exponential(self) -> int:
        return (1 << self.config.sample_bits) - 1

    # What a CMVM's input is worth: value = mantissa * 2**(exponent - in_frac) ---------------------------------------
    def norm_in_frac(self, gain_frac: int) -> int:
        return gain_frac - self.norm_drop + self.square_exponent

    def attention_in_frac(self, layer: int) -> int:
        return self.formats.layers[layer].value_frac + self.config.attention_frac

    def mlp_in_frac(self, layer: int) -> int:
        return self.config.gate_frac + self.formats.layers[layer].up_frac - self.intermediate_drop
