"""Second moments of what enters a matrix: all that rounding it has to know about the calibration text."""

from dataclasses import dataclass

import numpy as np

CHUNK = 4096
"""Tokens that are multiplied in float32 before they are added up in float64."""


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a^T b of a [..., A] and b [..., B], summed over all tokens → float64 [A, B]."""
    a, b = a.reshape(-1, a.shape[-1]), b.reshape(-1, b.shape[-1])
    total = np.zeros((a.shape[1], b.shape[1]))
    for start in range(0, len(a), CHUNK):
        total += a[start : start + CHUNK].T @ b[start : start + CHUNK]
    return total


@dataclass(frozen=True, eq=False)
class Moments:
    """What a matrix meets in the rounded model (x) and in the float model (f), summed over tokens.

    xx = sum x x^T, fx = sum f x^T, ff = sum f f^T, each float64 [N, N].
    """

    xx: np.ndarray
    fx: np.ndarray
    ff: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, f: np.ndarray) -> "Moments":
        """From inputs [..., N] of both models at the same tokens."""
        return cls(product(x, x), product(f, x), product(f, f))

    def target(self, weights: np.ndarray) -> "Target":
        """The outputs [R] of the float model's `weights` [R, N], to be reached from the rounded model's inputs."""
        wide = weights.astype(np.float64)
        return Target(self.xx, wide @ self.fx, float(((wide @ self.ff) * wide).sum()))

    def own_target(self, weights: np.ndarray) -> "Target":
        """The outputs of `weights` for the rounded model's own inputs: plain GPTQ's target."""
        wide = weights.astype(np.float64)
        return Target(self.xx, wide @ self.xx, float(((wide @ self.xx) * wide).sum()))


@dataclass(frozen=True, eq=False)
class Target:
    """A least squares problem: outputs y [R] wanted of inputs x [N]. yx = sum y x^T [R, N]; yy = sum of all y^2."""

    xx: np.ndarray
    yx: np.ndarray
    yy: float

    def plus(self, weights: np.ndarray, f: np.ndarray, drift: np.ndarray, x: np.ndarray) -> "Target":
        """The target's outputs plus `drift` [..., R]; f, x [..., N] are the inputs it was made from."""
        across = float((product(drift, f) * weights).sum())
        own = float(np.square(drift, dtype=np.float64).sum())
        return Target(self.xx, self.yx + product(drift, x), self.yy + 2 * across + own)

    def best(self, weights: np.ndarray, ridge: float) -> np.ndarray:
        """The float rows [R, N] of least squared error, held near `weights` by `ridge`, a share of xx's diagonal."""
        mean = float(np.trace(self.xx)) / len(self.xx)
        hold = ridge * mean if mean > 0 else 1.0
        return np.linalg.solve(self.xx + hold * np.eye(len(self.xx)), (self.yx + hold * weights).T).T

    def error(self, weights: np.ndarray) -> float:
        """Root mean square of what outputs of `weights` [R, N] miss, relative to that of the outputs wanted."""
        wide = weights.astype(np.float64)
        missed = ((wide @ self.xx - 2 * self.yx) * wide).sum() + self.yy
        return float(np.sqrt(max(missed, 0.0) / self.yy)) if self.yy > 0 else 0.0
