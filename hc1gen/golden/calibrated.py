"""From a float model to the chip's integers: every row is rounded to a grid, and calibration chooses the formats."""

from collections.abc import Iterator, Sequence

import numpy as np

from ..frontend.model import ModelIR
from ..numeric.config import NumericConfig
from ..progress import Progress, silent
from ..quant.quantized import QuantizedModel, quantize
from .calibrate import calibrate

CALIBRATION_TOKENS = 512
"""Tokens that the model generates to be calibrated on, by default."""
LARGE = 2_000_000
"""From this number of weights on, rounding takes seconds, so it is reported as a stage of its own."""


def rounded(ir: ModelIR, config: NumericConfig, progress: Progress = silent) -> QuantizedModel:
    """Returns the model with every row rounded to a grid, in the wide formats that calibration starts from."""
    weights = sum(array.size for _, array in ir.matrices())
    if weights >= LARGE:
        progress(f"quantising {weights:,} weights", 0)
    return quantize(ir, config)


def calibrated(
    ir: ModelIR, config: NumericConfig, context: int, tokens: int = CALIBRATION_TOKENS,
    windows: Sequence[np.ndarray] | None = None, progress: Progress = silent,
) -> QuantizedModel:  # fmt: skip
    """Returns the model rounded to its grids and calibrated for `context` positions.

    windows: the text to calibrate on, as windows of token ids [T], T at most `context`. None: the text is `tokens`
    tokens that the model generates itself.
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
