"""Integer arithmetic of the chip: one definition of each rounding. All arrays are int64."""

import numpy as np


def round_shift(x: np.ndarray, shift: np.ndarray | int) -> np.ndarray:
    """`x / 2**shift` rounded half up; `shift >= 0`, elementwise."""
    half = (1 << shift >> 1) if isinstance(shift, int) else (np.left_shift(1, shift) >> 1)
    return (x + half) >> shift


def clip(x: np.ndarray, low: int, high: int) -> np.ndarray:
    """`x` held within low..high; on vectors of a token several times as fast as `np.clip`."""
    return np.minimum(np.maximum(x, low), high)


def bit_length(x: np.ndarray) -> np.ndarray:
    """Bits of `x >= 0` (0 for 0, 1 for 1, 2 for 2 and 3, ...); exact below 2**53."""
    return np.frexp(x.astype(np.float64))[1].astype(np.int64)


def bit_length_exact(v: np.ndarray) -> np.ndarray:
    """Bits of `v >= 0` up to 2**62: beyond 2**53 `bit_length` of the high part, or of the low one."""
    if v.max() < 1 << 53:
        return bit_length(v)
    high = v >> 31
    return np.where(high > 0, bit_length(high) + 31, bit_length(v & ((1 << 31) - 1)))


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Exact product of integers, `b` given as float64, which holds every sum below 2**53 exactly, in any order."""
    return (a.astype(np.float64) @ b).astype(np.int64)


class RangeObserver:
    """Counts the values that did not fit their width; with `keep_peaks`, also keeps the largest magnitudes seen.

    peaks: name → int64 [last axes], the largest magnitude of each channel over time.
    """

    def __init__(self, keep_peaks: bool = False) -> None:
        self.saturations: dict[str, int] = {}
        self.peaks: dict[str, np.ndarray] = {}
        self.keep_peaks = keep_peaks

    def saturate(self, name: str, x: np.ndarray, bits: int) -> np.ndarray:
        """Clip `x` to `bits` two's-complement bits and keep the books under `name`."""
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        if self.keep_peaks:
            self.peaks[name] = np.maximum(self.peaks.get(name, 0), np.abs(x).max(axis=0))
        if low <= x.min() and x.max() <= high:
            return x
        self.saturations[name] = self.saturations.get(name, 0) + int(np.count_nonzero((x < low) | (x > high)))
        return clip(x, low, high)
