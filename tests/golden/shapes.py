"""Widths of chips that exist only as a shape, for golden functions that need no weights."""

from typing import Any

from hc1gen.frontend.model import ModelConfig
from hc1gen.numeric.config import Formats, NumericConfig
from hc1gen.numeric.numerics import Numerics

FINE = {
    "scale_bits": 10, "gain_bits": 10, "residual_frac": 8, "norm_bits": 14, "square_bits": 12, "mantissa_bits": 12,
    "rsqrt_bits": 12, "rsqrt_index": 5, "angle_bits": 12, "angle_index": 5, "quarter_bits": 14, "phase_bits": 32,
    "qkv_bits": 12, "query_bits": 12, "score_frac": 9, "prob_bits": 12, "exp_index": 5, "recip_bits": 12,
    "recip_index": 5, "attention_frac": 6, "gate_frac": 9, "gate_bits": 14, "up_bits": 12, "silu_range": 4,
    "silu_index": 6, "logit_bits": 16,
}  # fmt: skip
"""Widths so fine that a function's error is its method's."""


def numerics(
    context: int = 512, residual_bits: int = 20, shape: dict[str, Any] | None = None, **widths: int
) -> Numerics:
    """FINE with `widths`, for a model of 8 heads of 8 with `shape` changed."""
    fields: dict[str, Any] = {
        "hidden": 64, "intermediate": 172, "layers": 1, "heads": 8, "kv_heads": 4, "head_dim": 8, "vocab": 512,
        "max_positions": context, "rms_eps": 1e-5, "rope_theta": 10000.0, "tied": True, "bos": 1, "eos": (2,),
    }  # fmt: skip
    formats = Formats(residual_bits=residual_bits, score_raw_frac=14, logit_frac=8, layers=())
    return Numerics(NumericConfig(**{**FINE, **widths}), formats, ModelConfig(**(fields | (shape or {}))), context)
