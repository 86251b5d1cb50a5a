"""The widths and shifts of the chip that follow from the config, the formats and the shape of the model.

The golden model and the RTL both read them here, so each width is derived only once.
"""

import math
from dataclasses import dataclass

import numpy as np

from ..frontend.model import ModelConfig
from .config import Formats, NumericConfig
from .tables import Tables, make_tables

RANDOM_BITS = 32
"""Width of a random number. Probabilities of drawing and accepting are exact to 2**-RANDOM_BITS."""
TEMPERATURE_BITS, TEMPERATURE_FRAC = 16, 12
"""Width and fraction bits of a sampling temperature, unsigned. 0 means greedy: the most likely token."""
SLOPE_BITS, SLOPE_FRAC = 17, 12
"""Width and fraction bits of the slope `log2(e) / temperature`, unsigned."""
LOG2E_FRAC = 20
LOG2E = round(math.log2(math.e) * 2**LOG2E_FRAC)


def bits_for(largest: int) -> int:
    """Returns the width of an unsigned integer that holds 0..largest, at least 1."""
    return max(1, int(largest).bit_length())


@dataclass(frozen=True)
class Numerics:
    """The derived widths and shifts of one model.

    context: the number of positions that the KV cache holds. The widths of some sums depend on it, but those of values
    do not.
    """

    config: NumericConfig
    formats: Formats
    model: ModelConfig
    context: int

    @property
    def tables(self) -> Tables:
        """The function tables."""
        return make_tables(self.config)

    # RMSNorm ------------------------------------------------------------------------------------------------------
    @property
    def residual_bits(self) -> int:
        """Width of an element of the residual stream, of which `residual_frac` bits are fraction."""
        return self.formats.residual_bits

    @property
    def norm_lift(self) -> int:
        """Zero bits appended to a residual, so that a vector whose largest magnitude is 1/8 fills `norm_bits` bits."""
        return max(0, self.config.norm_bits + 2 - self.config.residual_frac)

    @property
    def norm_shift(self) -> int:
        """Largest right shift that a vector of lifted residuals needs to fit `norm_bits`, large gains included."""
        return max(0, self.residual_bits + self.norm_lift + 1 - self.config.norm_bits)

    @property
    def epsilons(self) -> list[int]:
        """`hidden size * rms_eps` in units of the sum of squares, for every shift 0..norm_shift."""
        frac = self.config.residual_frac + self.norm_lift - self.square_exponent
        return [round(self.model.hidden * self.model.rms_eps * 4.0 ** (frac - s)) for s in range(self.norm_shift + 1)]

    @property
    def square_drop(self) -> int:
        """Low bits of a mantissa's magnitude that are cut off before it is squared."""
        return self.config.norm_bits - 1 - self.config.square_bits

    @property
    def square_exponent(self) -> int:
        """Exponent of the number that is squared: its unit is 2**square_exponent of the mantissa's unit.

        It is one less than the cut, because half a unit is added for the bits that were cut off.
        """
        return self.square_drop - 1

    @property
    def square_sum_bits(self) -> int:
        """Unsigned width of the sum of squares plus epsilon."""
        return bits_for(self.model.hidden * 4 ** (self.config.square_bits + 1) + self.epsilons[0])

    @property
    def norm_drop(self) -> int:
        """Low bits that are rounded away from mantissa * gain.

        The largest mantissa times a gain of half the gain's range just fits `act_bits` then.
        """
        return max(0, self.config.norm_bits + self.config.gain_bits - 2 - self.config.act_bits)

    @property
    def norm_exponents(self) -> range:
        """Possible exponents of a normed vector: minus half the place of the leading one of the sum of squares."""
        # In a vector that was shifted, the largest magnitude is at least a quarter of its range.
        once_shifted = 4 ** (self.config.square_bits - 2)
        smallest = self.model.hidden + min(self.epsilons[0], once_shifted)
        return range(-((self.square_sum_bits - 1) // 2), -((smallest.bit_length() - 1) // 2) + 1)

    # RoPE ---------------------------------------------------------------------------------------------------------
    @property
    def frequency_steps(self) -> list[int]:
        """Turns per position, with `phase_bits` fraction bits, for each rotary pair of a head."""
        half, theta = self.model.head_dim // 2, self.model.rope_theta
        return [math.floor(theta ** (-i / half) / math.tau * 2.0**self.config.phase_bits + 0.5) for i in range(half)]

    # Queries and keys ---------------------------------------------------------------------------------------------
    def key_fracs(self, layer: int) -> np.ndarray:
        """Returns the fraction bits after RoPE of every row of the layer's K matrix: int64 [kv_heads * head_dim]."""
        pairs = np.array(self.formats.layers[layer].key_frac).reshape(self.model.kv_heads, -1)
        return np.concatenate([pairs, pairs], axis=1).reshape(-1)

    def query_fracs(self, layer: int) -> np.ndarray:
        """Returns the fraction bits after RoPE of every row of the layer's Q matrix: int64 [heads * head_dim]."""
        group = self.model.heads // self.model.kv_heads
        keys = self.key_fracs(layer).reshape(self.model.kv_heads, 1, -1)
        return (self.formats.score_raw_frac - keys).repeat(group, axis=1).reshape(-1)

    # Block floating point -----------------------------------------------------------------------------------------
    @property
    def attention_bits(self) -> int:
        """Width of an attention output: a value's width, one bit for rounding up, and `attention_frac` bits."""
        return self.config.kv_bits + self.config.attention_frac + 1

    # Attention ----------------------------------------------------------------------------------------------------
    @property
    def score_drop(self) -> int:
        """Low bits that are rounded away from a raw score. If negative, as many zero bits are appended."""
        return self.formats.score_raw_frac - self.config.score_frac

    @property
    def score_bits(self) -> int:
        """Width of a score. It holds every sum of `head_dim` products, even if all queries and keys are the lowest."""
        peak = self.model.head_dim << (self.config.query_bits + self.config.kv_bits - 2)
        drop, grow = max(self.score_drop, 0), max(-self.score_drop, 0)
        return ((((peak << 1 >> drop) + 1) >> 1) << grow).bit_length() + 1

    @property
    def exp_sum_bits(self) -> int:
        """Width of Z, the sum of `context` unnormalised probabilities, unsigned."""
        return bits_for(self.context * ((1 << self.config.prob_bits) - 1))

    @property
    def value_sum_bits(self) -> int:
        """Width of the sum of values weighted by unnormalised probabilities, signed."""
        return self.exp_sum_bits + self.config.kv_bits

    @property
    def attention_guard(self) -> int:
        """Fraction bits kept when a sum of values is aligned to Z, before the product with the reciprocal of Z."""
        return self.config.attention_frac + 2

    # MLP ----------------------------------------------------------------------------------------------------------
    @property
    def intermediate_bits(self) -> int:
        """Width of an element of the intermediate vector, silu(gate) * up after the drop."""
        return self.config.gate_bits + self.config.up_bits - self.intermediate_drop

    @property
    def intermediate_drop(self) -> int:
        """Low bits that are rounded away from silu(gate) * up, so that the result always fits its width."""
        return max(0, self.config.gate_bits + self.config.up_bits - self.config.intermediate_bits)

    # Sampler: e, its sum Z, and W, the sum of max(e_p * Z_q - e_q * Z_p, 0) -----------------------------------------
    @property
    def sample_drop(self) -> int:
        """Low bits that are rounded away from (largest logit - logit) * slope. If negative, zero bits are appended."""
        return self.formats.logit_frac + SLOPE_FRAC - self.config.sample_frac

    @property
    def sample_sum_bits(self) -> int:
        """Width of Z, the sum of `vocab` exponentials, unsigned."""
        return bits_for(self.model.vocab * self._largest_exponential)

    @property
    def residual_weight_bits(self) -> int:
        """Width of a weight of the residual distribution, max(e_p * Z_q - e_q * Z_p, 0), unsigned.

        It is largest where p is on one token and q on all others.
        """
        return bits_for((self.model.vocab - 1) * self._largest_exponential**2)

    @property
    def residual_total_bits(self) -> int:
        """Width of W, the sum of the weights of the residual distribution, unsigned.

        W is largest where p is on one half of the vocabulary and q on the other. Let S be the tokens of weight above 0,
        and R the others. Then W = e_p(S) * e_q(R) - e_q(S) * e_p(R), which is at most |S| * |R| times the square of the
        largest exponential.
        """
        half = self.model.vocab // 2
        return bits_for(half * (self.model.vocab - half) * self._largest_exponential**2)

    @property
    def _largest_exponential(self) -> int:
        return (1 << self.config.sample_bits) - 1

    # Fraction bits of a CMVM's input, whose value is mantissa * 2**(exponent - in_frac) ------------------------------
    def norm_in_frac(self, gain_frac: int) -> int:
        """Returns the in_frac of a matrix after a norm whose gains have `gain_frac` fraction bits."""
        return gain_frac - self.norm_drop + self.square_exponent

    def attention_in_frac(self, layer: int) -> int:
        """Returns the in_frac of the layer's matrix o, whose input is the attention output."""
        return self.formats.layers[layer].value_frac + self.config.attention_frac

    def mlp_in_frac(self, layer: int) -> int:
        """Returns the in_frac of the layer's matrix down, whose input is the intermediate vector."""
        return self.config.gate_frac + self.formats.layers[layer].up_frac - self.intermediate_drop
