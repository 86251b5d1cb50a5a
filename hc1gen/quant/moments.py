"""Second moments of the inputs of a matrix. They are all that rounding needs to know about the calibration text."""

from dataclasses import dataclass

import numpy as np

CHUNK = 4096
"""Tokens whose products are summed in float32; the sums are then added up in float64."""


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns a^T b, summed over all tokens: float64 [A, B]. a: [..., A], b: [..., B]."""
    a, b = a.reshape(-1, a.shape[-1]), b.reshape(-1, b.shape[-1])
    total = np.zeros((a.shape[1], b.shape[1]))
    for start in range(0, len(a), CHUNK):
        total += a[start : start + CHUNK].T @ b[start : start + CHUNK]
    return total


@dataclass(frozen=True, eq=False)
class Moments:
    """Second moments of the inputs of a matrix, x in the rounded model and f in the float model, summed over tokens.

    xx = sum x x^T, fx = sum f x^T, ff = sum f f^T, each float64 [N, N].
    """

    xx: np.ndarray
    fx: np.ndarray
    ff: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, f: np.ndarray) -> "Moments":
        """Returns the moments of the inputs x and f [..., N] of both models at the same tokens."""
        return cls(product(x, x), product(f, x), product(f, f))

    def target(self, weights: np.ndarray) -> "Target":
        """Returns the target of the outputs that the float model has with `weights` [R, N], from inputs x."""
        wide = weights.astype(np.float64)
        return Target(self.xx, wide @ self.fx, float(((wide @ self.ff) * wide).sum()))

    def own_target(self, weights: np.ndarray) -> "Target":
        """Returns the target of plain GPTQ: the outputs of `weights` [R, N] on the inputs x themselves."""
        wide = weights.astype(np.float64)
        return Target(self.xx, wide @ self.xx, float(((wide @ self.xx) * wide).sum()))


@dataclass(frozen=True, eq=False)
class Target:
    """A least squares problem: a matrix shall make the outputs y [R] from the inputs x [N].

    xx = sum x x^T [N, N], yx = sum y x^T [R, N], yy = sum of all y^2.
    """

    xx: np.ndarray
    yx: np.ndarray
    yy: float

    def plus(self, weights: np.ndarray, f: np.ndarray, drift: np.ndarray, x: np.ndarray) -> "Target":
        """Returns the target with `drift` [..., R] added to its outputs. f, x: the inputs [..., N] of both models.

        weights: the float model's matrix [R, N], whose outputs on f are the outputs of this target.
        """
        across = float((product(drift, f) * weights).sum())
        own = float(np.square(drift, dtype=np.float64).sum())
        return Target(self.xx, self.yx + product(drift, x), self.yy + 2 * across + own)

    def best(self, weights: np.ndarray, ridge: float) -> np.ndarray:
        """Returns the float rows [R, N] of least squared error plus a penalty on the distance to `weights`.

        ridge: the factor of the penalty, relative to the mean diagonal of xx.
        """
        mean = float(np.trace(self.xx)) / len(self.xx)
        hold = ridge * mean if mean > 0 else 1.0
        return np.linalg.solve(self.xx + hold * np.eye(len(self.xx)), (self.yx + hold * weights).T).T

    def error(self, weights: np.ndarray) -> float:
        """Returns the root mean square error of the outputs of `weights` [R, N], relative to that of the outputs y."""
        wide = weights.astype(np.float64)
        missed = ((wide @ self.xx - 2 * self.yx) * wide).sum() + self.yy
        return float(np.sqrt(max(missed, 0.0) / self.yy)) if self.yy > 0 else 0.0
