"""From a float model to the chip's integers: every row on its grid, in formats that fit what the model computes."""

from collections.abc import Iterator, Sequence

import numpy as np

from ..frontend.model import ModelIR
from ..numeric.config import NumericConfig
from ..progress import Progress, silent
from ..quant.quantized import QuantizedModel, quantize
from .calibrate import calibrate

CALIBRATION_TOKENS = 512
"""Of the model's own text, unless something else is asked for."""
LARGE = 2_000_000
"""Weights from which rounding takes seconds, and is a stage of its own."""


def rounded(ir: ModelIR, config: NumericConfig, progress: Progress = silent) -> QuantizedModel:
    """Every row on its grid, in the wide formats that calibration starts from."""
    weights = sum(array.size for _, array in ir.matrices())
    if weights >= LARGE:
        progress(f"quantising {weights:,} weights", 0)
    return quantize(ir, config)


def calibrated(
    ir: ModelIR, config: NumericConfig, context: int, tokens: int = CALIBRATION_TOKENS,
    windows: Sequence[np.ndarray] | None = None, progress: Progress = silent,
) -> QuantizedModel:  # fmt: skip
    """Round a model and calibrate it for `context` positions.

    windows: token ids [T] of each window, T at most `context`, to calibrate on; None: on `tokens` tokens that the
    model writes itself.
    """
    model, stage = rounded(ir, config, progress), f"calibrating {ir.name}"
    count = tokens if windows is None else sum(map(len, windows))
    progress(stage, 0, count)

    def read(windows: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        done = 0
        for window in windows:
            yield window
            done += len(window)
            progress(stage, done, count)

    return calibrate(
        model, context, count, None if windows is None else read(windows), lambda done: progress(stage, done, count)
    )
