"""The range observer: it saturates values to their width, counts those that did not fit, and records magnitudes."""

import numpy as np

from .arith import clip


class RangeObserver:
    """Counts the values that do not fit their width and, with `keep_peaks`, records the largest magnitudes.

    saturations: name → count of the values that did not fit. peaks: name → int64 [the axes after the first], the
    largest magnitude of each channel over all tokens so far.
    """

    def __init__(self, keep_peaks: bool = False) -> None:
        self.saturations: dict[str, int] = {}
        self.peaks: dict[str, np.ndarray] = {}
        self.keep_peaks = keep_peaks

    def saturate(self, name: str, x: np.ndarray, bits: int) -> np.ndarray:
        """Returns `x` [T, ..] clipped to `bits` two's-complement bits, and updates the counts and peaks of `name`."""
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        if self.keep_peaks:
            self.peaks[name] = np.maximum(self.peaks.get(name, 0), np.abs(x).max(axis=0))
        if low <= x.min() and x.max() <= high:
            return x
        self.saturations[name] = self.saturations.get(name, 0) + int(np.count_nonzero((x < low) | (x > high)))
        return clip(x, low, high)
