"""The float reference: what a Llama model computes, in plain numpy, for the golden model to be measured against."""

from collections.abc import Callable

import numpy as np

from hc1gen.errors import InputError
from hc1gen.frontend.model import LayerWeights, ModelConfig, ModelIR

Activation = Callable[[np.ndarray], np.ndarray]


def logits(model: ModelIR, tokens: np.ndarray, activation: Activation | None = None) -> np.ndarray:
    """Logits float32 [T, V] after each of `tokens` (integers [T]), every token seeing itself and those before it.

    `activation` takes the vectors that enter a linear matrix, float32 [T, n], and returns what the matrix sees
    instead (same shape): a way to study quantised activations. It is called once per input, not once per matrix.
    Raises InputError if `tokens` is empty, not a vector of integers, longer than max_positions, or outside the
    vocabulary.
    """
    return final(model, tokens, activation) @ model.head.T


def final(model: ModelIR, tokens: np.ndarray, activation: Activation | None = None) -> np.ndarray:
    """What the head sees, float32 [T, D]; the rest as `logits`."""
    tokens = _checked(model, np.asarray(tokens))
    enter = activation or _unchanged
    config = model.config
    rotation = rope_tables(config, len(tokens))
    x = model.embedding[tokens]
    for layer in model.layers:
        seen = enter(rms_norm(x, layer.input_norm, config.rms_eps))
        x = x + enter(mix(layer, config, seen, rotation)) @ layer.o.T
        seen = enter(rms_norm(x, layer.post_norm, config.rms_eps))
        x = x + enter(gated(layer, seen)) @ layer.down.T
    return enter(rms_norm(x, model.final_norm, config.rms_eps))


def rms_norm(x: np.ndarray, gain: np.ndarray, eps: float) -> np.ndarray:
    """x / sqrt(mean(x^2) + eps) * gain over the last axis, float32 like x."""
    mean = np.mean(np.square(x, dtype=np.float64), axis=-1, keepdims=True)
    return (x / np.sqrt(mean + eps)).astype(np.float32) * gain


def rope_tables(config: ModelConfig, length: int) -> tuple[np.ndarray, np.ndarray]:
    """cos and sin, float32 [length, head_dim / 2], of position * theta^(-2i / head_dim)."""
    rates = config.rope_theta ** (-np.arange(0, config.head_dim, 2) / config.head_dim)
    angles = np.outer(np.arange(length), rates)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def rotate(x: np.ndarray, rotation: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Rotary embedding of x [heads, T, head_dim]; element i is paired with i + head_dim / 2."""
    cos, sin = rotation
    low, high = np.split(x, 2, axis=-1)
    return np.concatenate([low * cos - high * sin, high * cos + low * sin], axis=-1)


def softmax(x: np.ndarray) -> np.ndarray:
    """Over the last axis; -inf becomes 0."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def mix(layer: LayerWeights, config: ModelConfig, x: np.ndarray, rotation: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Causal grouped-query attention of normalised x [T, D], before its output matrix -> [T, heads * head_dim]."""
    length, groups = len(x), config.heads // config.kv_heads
    q = rotate(_heads(x @ layer.q.T, config.head_dim), rotation)
    k = rotate(_heads(x @ layer.k.T, config.head_dim), rotation)
    v = _heads(x @ layer.v.T, config.head_dim)
    k, v = np.repeat(k, groups, axis=0), np.repeat(v, groups, axis=0)
    scores = q @ k.transpose(0, 2, 1) * np.float32(config.head_dim**-0.5)
    future = np.triu(np.ones((length, length), dtype=bool), k=1)
    mixed = softmax(np.where(future, np.float32(-np.inf), scores)) @ v
    return mixed.transpose(1, 0, 2).reshape(length, -1)


def gated(layer: LayerWeights, x: np.ndarray) -> np.ndarray:
    """SwiGLU of normalised x [T, D], before its output matrix -> [T, intermediate]."""
    return silu(x @ layer.gate.T) * (x @ layer.up.T)


def silu(x: np.ndarray) -> np.ndarray:
    """x * sigmoid(x)."""
    return x * (np.float32(0.5) * (np.float32(1) + np.tanh(np.float32(0.5) * x)))


def _heads(x: np.ndarray, head_dim: int) -> np.ndarray:
    """[T, heads * head_dim] -> [heads, T, head_dim]."""
    return x.reshape(len(x), -1, head_dim).transpose(1, 0, 2)


def _unchanged(x: np.ndarray) -> np.ndarray:
    return x


def _checked(model: ModelIR, tokens: np.ndarray) -> np.ndarray:
    if tokens.ndim != 1 or tokens.size == 0 or not np.issubdtype(tokens.dtype, np.integer):
        raise InputError(model.name, f"tokens: got {tokens.dtype} {list(tokens.shape)}, expected integers [T], T >= 1")
    if len(tokens) > model.config.max_positions:
        raise InputError(model.name, f"{len(tokens)} tokens, the model has {model.config.max_positions} positions")
    outside = tokens[(tokens < 0) | (tokens >= model.config.vocab)]
    if outside.size:
        raise InputError(model.name, f"token {outside[0]} is outside the vocabulary of {model.config.vocab}")
    return tokens
