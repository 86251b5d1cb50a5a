"""The widths and table sizes of the chip that are chosen. Those that follow from them are in `numerics`.

`NumericConfig` holds what the project or the user chooses (docs/numeric.md has the measurements), and `Formats` what
calibration finds for one model. A number of format (bits, frac) is a two's-complement integer of `bits` bits with the
value `integer * 2**-frac`.
"""

from dataclasses import dataclass, field, fields, replace

from ..errors import InputError, problem


@dataclass(frozen=True)
class NumericConfig:
    """The chosen widths and table sizes. Widths are those of two's-complement integers, unless stated otherwise."""

    act_bits: int = field(default=8, metadata={"range": (4, 12), "doc": "mantissa of a vector entering a CMVM"})
    drop_bits: int = field(
        default=3, metadata={"range": (0, 10), "doc": "lowest bits of a product that are rounded away"}
    )
    scale_bits: int = field(default=6, metadata={"range": (4, 16), "doc": "unsigned mantissa of a row scale"})
    gain_bits: int = field(default=8, metadata={"range": (4, 16), "doc": "RMSNorm gain, signed"})
    residual_frac: int = field(default=6, metadata={"range": (4, 20), "doc": "fraction of the residual stream"})
    norm_bits: int = field(default=10, metadata={"range": (8, 16), "doc": "mantissa of a vector entering a norm"})
    square_bits: int = field(default=7, metadata={"range": (4, 15), "doc": "magnitude that is squared in a norm"})
    mantissa_bits: int = field(default=8, metadata={"range": (8, 16), "doc": "mantissa looked up in 1/sqrt and 1/Z"})
    rsqrt_bits: int = field(default=8, metadata={"range": (6, 16), "doc": "1/sqrt mantissa, unsigned"})
    rsqrt_index: int = field(default=3, metadata={"range": (2, 10), "doc": "1/sqrt table, log2 of its entries"})
    angle_bits: int = field(default=8, metadata={"range": (6, 16), "doc": "sine and cosine magnitude, unsigned"})
    angle_index: int = field(default=3, metadata={"range": (2, 10), "doc": "quarter-wave table, log2 of its entries"})
    quarter_bits: int = field(default=10, metadata={"range": (8, 16), "doc": "an angle within its quarter of a turn"})
    phase_bits: int = field(default=24, metadata={"range": (18, 36), "doc": "RoPE angle, unsigned fraction of a turn"})
    qkv_bits: int = field(default=11, metadata={"range": (6, 16), "doc": "Q, K and V before RoPE"})
    query_bits: int = field(default=10, metadata={"range": (6, 16), "doc": "Q after RoPE"})
    kv_bits: int = field(default=8, metadata={"range": (4, 12), "doc": "an element of the KV cache"})
    score_frac: int = field(default=6, metadata={"range": (4, 16), "doc": "fraction of a score, in powers of two"})
    prob_bits: int = field(default=8, metadata={"range": (6, 16), "doc": "unnormalised probability, unsigned"})
    exp_index: int = field(default=3, metadata={"range": (2, 10), "doc": "2**-x table, log2 of its entries"})
    recip_bits: int = field(default=8, metadata={"range": (6, 16), "doc": "1/Z mantissa, unsigned"})
    recip_index: int = field(default=3, metadata={"range": (2, 10), "doc": "1/Z table, log2 of its entries"})
    attention_frac: int = field(default=3, metadata={"range": (0, 10), "doc": "fraction of an attention output, in V"})
    gate_frac: int = field(default=8, metadata={"range": (4, 14), "doc": "fraction of a gate"})
    gate_bits: int = field(default=13, metadata={"range": (8, 20), "doc": "a gate"})
    up_bits: int = field(default=10, metadata={"range": (6, 18), "doc": "an up projection"})
    silu_range: int = field(default=3, metadata={"range": (2, 5), "doc": "log2 of where SiLU's table ends"})
    silu_index: int = field(default=5, metadata={"range": (3, 10), "doc": "SiLU table, log2 of its entries"})
    intermediate_bits: int = field(default=16, metadata={"range": (10, 24), "doc": "an intermediate value of the MLP"})
    logit_bits: int = field(default=12, metadata={"range": (8, 24), "doc": "a logit"})
    sample_bits: int = field(default=16, metadata={"range": (2, 20), "doc": "exponential of a logit, unsigned"})
    sample_frac: int = field(
        default=10,
        metadata={"range": (4, 14), "doc": "fraction of a logit's distance from the largest, in powers of two"},
    )
    sample_index: int = field(
        default=5, metadata={"range": (2, 10), "doc": "the sampler's 2**-x table, log2 of its entries"}
    )
    kv_margin_bits: int = field(default=0, metadata={"range": (0, 4), "doc": "the same for keys and values"})
    margin_bits: int = field(default=1, metadata={"range": (0, 4), "doc": "head room over the largest value seen"})

    def verify(self) -> None:
        """Raises `InputError`, which names every field outside its range."""
        problems = []
        for f in fields(self):
            low, high = f.metadata["range"]
            value = getattr(self, f.name)
            if not isinstance(value, int) or not low <= value <= high:
                problems.append(problem(f.name, value, f"{low}..{high}", "choose a width in that range"))
        for low, high, bound in self._ordered():
            if bound < getattr(self, low):
                problems.append(problem(low, getattr(self, low), f"at most {bound} ({high})", "change one of the two"))
        if problems:
            raise InputError("numeric config", problems)

    def _ordered(self) -> list[tuple[str, str, int]]:
        """(field, the expression that bounds it, the bound) of every field whose largest value depends on others.

        A table must not have more entries than its argument has values, and a rounded result must not be wider than
        what it is rounded from.
        """
        return [
            ("drop_bits", "act_bits - 2", self.act_bits - 2),
            ("exp_index", "score_frac", self.score_frac),
            ("sample_index", "sample_frac", self.sample_frac),
            ("silu_index", "gate_frac + silu_range", self.gate_frac + self.silu_range),
            ("rsqrt_index", "mantissa_bits", self.mantissa_bits),
            ("recip_index", "mantissa_bits", self.mantissa_bits),
            ("angle_index", "quarter_bits", self.quarter_bits),
            ("square_bits", "norm_bits - 1", self.norm_bits - 1),
            ("kv_bits", "qkv_bits", self.qkv_bits),
            ("query_bits", "qkv_bits", self.qkv_bits),
        ]


WIDE_FRAC = 10
"""Fraction bits of queries, keys, values and up projections during calibration."""


@dataclass(frozen=True)
class LayerFormats:
    """Fraction bits of one layer's values. They become part of the row scales, so layers and rows may differ for free.

    key_frac has one entry for each rotary pair of each KV head ([kv_heads * head_dim / 2]), because the channels of
    keys differ much in size. A query's channel has `score_raw_frac - key_frac` fraction bits, with the key_frac of the
    key's channel that it is multiplied by. So every product of the two has `score_raw_frac` fraction bits.
    """

    key_frac: tuple[int, ...]
    value_frac: int
    up_frac: int


@dataclass(frozen=True)
class Formats:
    """What calibration chose for one model: the width of the residual stream, and the fraction bits of every value."""

    residual_bits: int
    score_raw_frac: int
    logit_frac: int
    layers: tuple[LayerFormats, ...]

    @classmethod
    def wide(cls, layers: int, rotary_pairs: int) -> "Formats":
        """Returns formats in which nothing saturates and little is rounded, for the calibration run.

        rotary_pairs: kv_heads * head_dim / 2.
        """
        one = LayerFormats(key_frac=(WIDE_FRAC,) * rotary_pairs, value_frac=WIDE_FRAC, up_frac=WIDE_FRAC)
        return cls(residual_bits=40, score_raw_frac=2 * WIDE_FRAC, logit_frac=12, layers=(one,) * layers)


def widened(config: NumericConfig) -> NumericConfig:
    """Returns `config` with every calibrated width so large that nothing saturates."""
    return replace(
        config, qkv_bits=30, query_bits=30, kv_bits=30, up_bits=30, gate_bits=30, logit_bits=36, intermediate_bits=50
    )
