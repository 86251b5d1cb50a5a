"""One transformer layer, the embedding and the head in the chip's arithmetic, as functions that torch can compile."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .arithmetic import (
    Latent,
    Rows,
    Vectors,
    Widths,
    block_vectors,
    fixed,
    half_up,
    linear,
    on_grid,
    rms_norm,
    straight_through,
)
from .attention import attend


class LayerWeights(NamedTuple):
    """Latent weights of a layer, trained. R = (heads + 2 * kv_heads) * head_dim.

    qkv [R, D], o [D, heads * head_dim], gate_up [2I, D], down [D, I], and the two gains [D].
    """

    qkv: Latent
    o: Latent
    gate_up: Latent
    down: Latent
    attention_gain: Tensor
    mlp_gain: Tensor


class LayerFormats(NamedTuple):
    """Formats of a layer as steps, powers of two: a value is a multiple of `1 / steps`.

    query [heads, head_dim] and key [kv_heads, head_dim] after RoPE; the others are single numbers.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    context: Tensor
    up: Tensor
    intermediate: Tensor


class Shared(NamedTuple):
    """What all layers share: RoPE's cos and sin [T, head_dim / 2] and the 1/sqrt table."""

    cos: Tensor
    sin: Tensor
    rsqrt: Tensor


def layer(x: Tensor, weights: LayerWeights, formats: LayerFormats, shared: Shared, w: Widths) -> Tensor:
    """Residuals [B, T, D] → residuals [B, T, D]."""
    x = x + _attention(x, weights, formats, shared, w)
    return x + _mlp(x, weights, formats, shared, w)


def _attention(x: Tensor, weights: LayerWeights, formats: LayerFormats, shared: Shared, w: Widths) -> Tensor:
    batch, time, _ = x.shape
    heads, head_dim = formats.query.shape
    kv_heads = len(formats.key)
    to_power_of_two = 1.0 / (math.sqrt(head_dim) * math.log(2.0))
    with torch.no_grad():
        factor = torch.ones_like(weights.qkv.log_scale)
        factor[: heads * head_dim] = to_power_of_two
    _, rows = on_grid(weights.qkv, factor, w)
    exact, rounded = linear(rows, rms_norm(x, weights.attention_gain, shared.rsqrt, w), w)
    more, drop = 2.0 ** (w.qkv_bits - w.query_bits), 2.0 ** (w.qkv_bits - w.kv_bits)
    sizes = [heads * head_dim, kv_heads * head_dim, kv_heads * head_dim]

    def parts(y: Tensor) -> list[Tensor]:
        return [part.view(batch, time, -1, head_dim) for part in y.split(sizes, dim=-1)]

    (q, k, v), (q_rounded, k_rounded, v_rounded) = parts(exact), parts(rounded)
    q = straight_through(q, fixed(q_rounded, formats.query * more, w.qkv_bits))
    k = straight_through(k, fixed(k_rounded, formats.key * drop, w.qkv_bits))
    v = straight_through(v, fixed(fixed(v_rounded, formats.value * drop, w.qkv_bits), formats.value, w.kv_bits))
    q = rotate(q, shared, formats.query, w.query_bits)
    k = rotate(k, shared, formats.key, w.kv_bits)
    mixed = attend(q, k, v)
    return _into_residual(weights.o, block_vectors(mixed, formats.context, w), w)


def _mlp(x: Tensor, weights: LayerWeights, formats: LayerFormats, shared: Shared, w: Widths) -> Tensor:
    _, rows = on_grid(weights.gate_up, 1.0, w)
    exact, rounded = linear(rows, rms_norm(x, weights.mlp_gain, shared.rsqrt, w), w)
    (gate, up), (gate_rounded, up_rounded) = exact.chunk(2, dim=-1), rounded.chunk(2, dim=-1)
    steps = 2.0**w.gate_frac
    gate = straight_through(gate, fixed(gate_rounded, steps, w.gate_bits))
    up = straight_through(up, fixed(up_rounded, formats.up, w.up_bits))
    activated = F.silu(gate)
    activated = straight_through(activated, half_up(activated * steps) / steps)
    return _into_residual(weights.down, block_vectors(activated * up, formats.intermediate, w), w)


def _into_residual(weights: Latent, x: Vectors, w: Widths) -> Tensor:
    _, rows = on_grid(weights, 1.0, w)
    exact, rounded = linear(rows, x, w)
    steps = 2.0**w.residual_frac
    return straight_through(exact, half_up(rounded * steps) / steps)


def rotate(x: Tensor, shared: Shared, steps: Tensor, bits: int) -> Tensor:
    """Heads [B, T, H, head_dim] → rotated and rounded to `bits`; element i is paired with i + head_dim / 2."""
    a, b = x.chunk(2, dim=-1)
    cos, sin = shared.cos[: x.shape[1], None], shared.sin[: x.shape[1], None]
    turned = torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)
    return straight_through(turned, fixed(turned, steps, bits))


def embedding_rows(table: Latent, w: Widths) -> Tensor:
    """The table of embeddings [V, D]: the scale is a whole number of the residual's last bit."""
    integers, _ = on_grid(table, 1.0, w)
    scale, steps = torch.exp(table.log_scale), 2.0**w.residual_frac
    return integers * straight_through(scale, half_up(scale * steps) / steps)[:, None]


def head(x: Tensor, gain: Tensor, rows: Rows, rsqrt: Tensor, steps: Tensor, w: Widths) -> Tensor:
    """Residuals [B, T, D] → logits [B, T, V]."""
    exact, rounded = linear(rows, rms_norm(x, gain, rsqrt, w), w)
    return straight_through(exact, fixed(rounded, steps, w.logit_bits))
