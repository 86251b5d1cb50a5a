"""Calibration: the model runs in formats in which nothing saturates; the observed ranges then give its formats."""

from collections.abc import Callable, Iterable

import numpy as np

from ..numeric.config import WIDE_FRAC, Formats, LayerFormats, NumericConfig, widened
from ..numeric.numerics import Numerics
from ..quant.quantized import QuantizedModel
from .arith import bit_length
from .model import GoldenModel
from .observer import RangeObserver

SEED = 1


def sample_text(golden: GoldenModel, count: int, progress: Callable[[int], None] | None = None) -> None:
    """Lets the model generate `count` tokens at temperature 1.

    A text starts with BOS, and a new one after EOS or a full context. So calibration needs no data. The logits are the
    chip's own integers, so every machine generates the same text. progress: called with the number of tokens done.
    """
    random = np.random.default_rng(SEED)
    config = golden.model.model
    start = config.bos if config.bos is not None else 0
    frac = golden.n.formats.logit_frac
    session, token = golden.session(), start
    for done in range(count):
        logits = session.forward(np.array([token]))[-1]
        weights = np.cumsum(np.exp2(np.maximum((logits - logits.max()) * 2.0**-frac / np.log(2.0), -60.0)))
        token = int(np.searchsorted(weights, random.random() * weights[-1], side="right"))
        if token in config.eos or session.length == golden.context:
            session, token = golden.session(), start
        if progress:
            progress(done + 1)


def calibrate(
    model: QuantizedModel, context: int, count: int = 512, text: Iterable[np.ndarray] | None = None,
    progress: Callable[[int], None] | None = None,
) -> QuantizedModel:  # fmt: skip
    """Returns `model` with the formats that fit the values it computes on a text.

    text: windows of token ids [T], T at most `context`. None: `count` tokens that the model generates itself.
    progress: called with the number of generated tokens done.
    """
    shape = model.model
    wide = Formats.wide(shape.layers, shape.kv_heads * shape.head_dim // 2)
    observer = RangeObserver(keep_peaks=True)
    golden = GoldenModel(model.with_formats(widened(model.config), wide), context, observer)
    if text is None:
        sample_text(golden, count, progress)
    else:
        for window in text:
            golden.session().forward(window)
    return model.with_formats(model.config, choose_formats(model.config, golden.n, observer.peaks))


def choose_formats(config: NumericConfig, wide: Numerics, peaks: dict[str, np.ndarray]) -> Formats:
    """Returns the formats in which the largest observed magnitudes fit each width, with `margin_bits` bits to spare.

    For keys and values the margin is `kv_margin_bits`. wide: the numerics of the calibration run. peaks: the largest
    magnitudes by name, as in `RangeObserver`.
    """

    def whole_bits(peak: np.ndarray, frac: int, margin: int = config.margin_bits) -> np.ndarray:
        """Bits that `peak` needs to the left of the binary point, without the sign. The number may be negative."""
        return bit_length(np.maximum(peak, 1)) - frac + margin

    def frac(name: str, bits: int, wide_frac: int, margin: int = config.margin_bits) -> int:
        return bits - 1 - int(whole_bits(peaks[name], wide_frac, margin).max())

    score, layers = [], []
    for i in range(wide.model.layers):
        keys = _pairs(np.maximum(peaks[f"key.{i}"], peaks[f"key_rotated.{i}"].reshape(-1)), wide)
        queries = np.maximum(peaks[f"query.{i}"], peaks[f"query_rotated.{i}"].reshape(-1))
        queries = _pairs(queries.reshape(wide.model.kv_heads, -1, wide.model.head_dim).max(axis=1).reshape(-1), wide)
        key_frac = config.kv_bits - 1 - whole_bits(keys, WIDE_FRAC, config.kv_margin_bits)
        query_frac = config.query_bits - 1 - whole_bits(queries, WIDE_FRAC)
        score.append(int((key_frac + query_frac).min()))
        layers.append(
            LayerFormats(
                key_frac=tuple(int(f) for f in key_frac),
                value_frac=frac(f"value.{i}", config.kv_bits, WIDE_FRAC, config.kv_margin_bits),
                up_frac=frac(f"up.{i}", config.up_bits, WIDE_FRAC),
            )
        )
    streams = [name for name in peaks if name.split(".")[0] in ("residual", "o", "down")]
    residual = max(int(whole_bits(peaks[name], config.residual_frac).max()) for name in streams)
    return Formats(
        residual_bits=residual + config.residual_frac + 1,
        score_raw_frac=min(score),
        logit_frac=frac("logit", config.logit_bits, wide.formats.logit_frac),
        layers=tuple(layers),
    )


def _pairs(channels: np.ndarray, n: Numerics) -> np.ndarray:
    """Returns the larger of the two channels of each rotary pair: [H * head_dim] → [H * head_dim / 2]."""
    return channels.reshape(-1, 2, n.model.head_dim // 2).max(axis=1).reshape(-1)
