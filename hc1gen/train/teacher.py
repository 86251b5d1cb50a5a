"""What the student imitates: a float model, or a quantised one in the chip's arithmetic; and text that it writes."""

import math
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..frontend.model import LayerWeights, ModelIR
from ..frontend.reference import rope_tables


class Teacher(Protocol):
    """Logits in two steps, so that the first, long one is done once per text."""

    @property
    def device(self) -> torch.device:
        """Where its tensors are."""

    def trunk(self, tokens: Tensor) -> Tensor:
        """Token ids [B, T] → what the head sees [B, T, D]."""

    def logits(self, x: Tensor) -> Tensor:
        """[B, T, D] → logits [B, T, V]."""


class FloatModel:
    """A checkpoint in float32, as `frontend.reference` computes it, many sequences at a time."""

    def __init__(self, ir: ModelIR, device: torch.device):
        self.config = ir.config
        self._device = device
        self.embedding, self.head = _tensor(ir.embedding, device), _tensor(ir.head, device)
        self.final_norm = _tensor(ir.final_norm, device)
        self.layers = [{f: _tensor(getattr(w, f), device) for f in LayerWeights.__annotations__} for w in ir.layers]
        self.rotation = [_tensor(t, device) for t in rope_tables(ir.config, ir.config.max_positions)]

    @property
    def device(self) -> torch.device:
        """Where its tensors are."""
        return self._device

    def trunk(self, tokens: Tensor) -> Tensor:
        """Token ids [B, T] → residuals [B, T, D] behind the last layer."""
        return self._trunk(tokens, 0, [None] * len(self.layers))

    def logits(self, x: Tensor) -> Tensor:
        """Residuals [B, T, D] → logits [B, T, V]."""
        return F.rms_norm(x, x.shape[-1:], self.final_norm, self.config.rms_eps) @ self.head.t()

    def write(self, count: int, length: int, generator: torch.Generator) -> Tensor:
        """`count` sequences of `length` tokens drawn at temperature 1, the first one BOS (0 where there is none)."""
        tokens = torch.full((count, length), self.config.bos or 0, device=self.device)
        shape = (count, self.config.kv_heads, length, self.config.head_dim)
        caches = [(torch.zeros(shape, device=self.device), torch.zeros(shape, device=self.device)) for _ in self.layers]
        for position in range(length - 1):
            x = self._trunk(tokens[:, position : position + 1], position, caches)
            p = torch.softmax(self.logits(x)[:, 0].double(), dim=-1)
            draw = torch.rand(count, 1, generator=generator, dtype=torch.float64).to(self.device)
            drawn = torch.searchsorted(p.cumsum(dim=-1), draw, right=True)[:, 0]
            tokens[:, position + 1] = drawn.clamp(max=self.config.vocab - 1)
        return tokens

    def _trunk(self, tokens: Tensor, start: int, caches: list) -> Tensor:
        x = self.embedding[tokens]
        eps, width = self.config.rms_eps, x.shape[-1:]
        for w, cache in zip(self.layers, caches, strict=True):
            x = x + self._attention(w, F.rms_norm(x, width, w["input_norm"], eps), start, cache)
            y = F.rms_norm(x, width, w["post_norm"], eps)
            x = x + (F.silu(y @ w["gate"].t()) * (y @ w["up"].t())) @ w["down"].t()
        return x

    def _attention(self, w: dict[str, Tensor], x: Tensor, start: int, cache: tuple[Tensor, Tensor] | None) -> Tensor:
        batch, time, _ = x.shape
        q, k, v = ((x @ w[f].t()).view(batch, time, -1, self.config.head_dim).transpose(1, 2) for f in "qkv")
        q, k = self._rotate(q, start), self._rotate(k, start)
        if cache is not None:
            for kept, new in zip(cache, (k, v), strict=True):
                kept[:, :, start : start + time] = new
            k, v = (kept[:, :, : start + time] for kept in cache)
        scale = 1.0 / math.sqrt(self.config.head_dim)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=time > 1, scale=scale, enable_gqa=True)
        return mixed.transpose(1, 2).reshape(batch, time, -1) @ w["o"].t()

    def _rotate(self, x: Tensor, start: int) -> Tensor:
        cos, sin = (table[start : start + x.shape[2]] for table in self.rotation)
        a, b = x.chunk(2, dim=-1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


def _tensor(values: np.ndarray, device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device)
