"""Widths of chips that exist only as a shape, for golden functions that need no weights."""

from typing import Any

from hc1gen.frontend.model import ModelConfig
from hc1gen.quant.config import Formats, NumericConfig
from hc1gen.quant.numerics import Numerics


def numerics(
    context: int = 512, residual_bits: int = 20, shape: dict[str, Any] | None = None, **widths: int
) -> Numerics:
    """The default config with `widths`, for a model of 8 heads of 8 with `shape` changed."""
    fields: dict[str, Any] = {
        "hidden": 64, "intermediate": 172, "layers": 1, "heads": 8, "kv_heads": 4, "head_dim": 8, "vocab": 512,
        "max_positions": context, "rms_eps": 1e-5, "rope_theta": 10000.0, "tied": True, "bos": 1, "eos": (2,),
    }  # fmt: skip
    formats = Formats(residual_bits=residual_bits, score_raw_frac=14, logit_frac=8, layers=())
    return Numerics(NumericConfig(**widths), formats, ModelConfig(**(fields | (shape or {}))), context)
