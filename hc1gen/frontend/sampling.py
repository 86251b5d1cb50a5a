"""Text that a float model writes itself, many sequences at a time: calibration without data."""

from collections.abc import Callable

import numpy as np

from hc1gen.frontend.model import LayerWeights, ModelIR
from hc1gen.frontend.reference import rms_norm, rope_tables, silu, softmax


def sample(
    ir: ModelIR, sequences: int, length: int, seed: int = 0, progress: Callable[[int], None] | None = None
) -> np.ndarray:
    """Token ids int64 [sequences, length], at temperature 1, BOS first (without one: a random token).

    A sequence that reaches EOS goes on with a BOS. `length` is at most the model's positions.
    """
    random = np.random.default_rng(seed)
    config = ir.config
    tokens = np.empty((sequences, length), np.int64)
    tokens[:, 0] = random.integers(config.vocab, size=sequences) if config.bos is None else config.bos
    writer = _Writer(ir, sequences, length)
    for position in range(1, length):
        p = np.cumsum(softmax(writer.logits(tokens[:, position - 1]).astype(np.float64)), axis=1)
        p /= p[:, -1:]
        drawn = (p < random.random((sequences, 1))).sum(axis=1)
        if config.bos is not None:
            drawn = np.where(np.isin(tokens[:, position - 1], config.eos), config.bos, drawn)
        tokens[:, position] = drawn
        if progress:
            progress(position)
    return tokens


class _Writer:
    """KV caches [layer][B, kv_heads, length, head_dim] of B sequences that grow by one token at a time."""

    def __init__(self, ir: ModelIR, sequences: int, length: int):
        c = ir.config
        self.ir, self.position = ir, 0
        self.cos, self.sin = rope_tables(c, length)
        shape = (c.layers, sequences, c.kv_heads, length, c.head_dim)
        self.keys, self.values = np.zeros(shape, np.float32), np.zeros(shape, np.float32)

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        """Tokens [B] at the next position -> logits [B, V]."""
        ir, eps = self.ir, self.ir.config.rms_eps
        x = ir.embedding[tokens]
        for index, layer in enumerate(ir.layers):
            x = x + self._attend(index, layer, rms_norm(x, layer.input_norm, eps)) @ layer.o.T
            seen = rms_norm(x, layer.post_norm, eps)
            x = x + (silu(seen @ layer.gate.T) * (seen @ layer.up.T)) @ layer.down.T
        self.position += 1
        return rms_norm(x, ir.final_norm, eps) @ ir.head.T

    def _attend(self, index: int, layer: LayerWeights, x: np.ndarray) -> np.ndarray:
        c, now = self.ir.config, self.position
        q = self._rotate((x @ layer.q.T).reshape(len(x), c.kv_heads, -1, c.head_dim))
        self.keys[index, :, :, now] = self._rotate((x @ layer.k.T).reshape(len(x), c.kv_heads, c.head_dim))
        self.values[index, :, :, now] = (x @ layer.v.T).reshape(len(x), c.kv_heads, c.head_dim)
        keys, values = self.keys[index, :, :, : now + 1], self.values[index, :, :, : now + 1]
        weights = softmax(q @ keys.swapaxes(-1, -2) * np.float32(c.head_dim**-0.5))
        return (weights @ values).reshape(len(x), -1)

    def _rotate(self, x: np.ndarray) -> np.ndarray:
        low, high = np.split(x, 2, axis=-1)
        cos, sin = self.cos[self.position], self.sin[self.position]
        return np.concatenate([low * cos - high * sin, high * cos + low * sin], axis=-1)
