"""The golden arithmetic of the new node, and the golden model with this step in its place."""

import numpy as np

from hc1gen.golden.model import GoldenModel, Layer, Session


def clip(x: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Elements [T, N] held within plus and minus `limits` [N]."""
    return np.clip(x, -limits, limits)


class ClippedModel(GoldenModel):
    """A golden model whose queries, keys and values are clipped to plus and minus `limit`."""

    limit = 0.0

    def session(self) -> "ClippedSession":
        """An empty KV cache."""
        return ClippedSession(self)


class ClippedSession(Session):
    """In the package this is one line in `Session._projected`."""

    golden: ClippedModel

    def _projected(self, index: int, w: Layer, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        n, c = self.golden.n, self.golden.n.config
        fracs = (
            n.query_fracs(index) + c.qkv_bits - c.query_bits,
            n.key_fracs(index) + c.qkv_bits - c.kv_bits,
            np.full(len(n.key_fracs(index)), n.formats.layers[index].value_frac + c.qkv_bits - c.kv_bits),
        )
        largest = (1 << c.qkv_bits - 1) - 1
        found = []
        for vectors, frac in zip(super()._projected(index, w, x), fracs, strict=True):
            limits = np.minimum((self.golden.limit * 2.0**frac).astype(np.int64), largest)
            found.append(clip(vectors.reshape(len(x), -1), limits).reshape(vectors.shape))
        q, key, value = found
        return q, key, value
