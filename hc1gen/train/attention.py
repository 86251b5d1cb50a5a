"""Causal attention over powers of two: on a CPU with a C++ compiler by `attention.cpp`, else by torch.

Half of a step is attention where heads have 8 elements; torch's own kernels are made for 64 and more.
"""

import ctypes
import math
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

SOURCE = Path(__file__).with_suffix(".cpp")
FLAGS = ("-O3", "-march=native", "-ffast-math", "-fopenmp", "-shared", "-fPIC", "-std=c++17")
HEAD_DIMS = (8, 16)
_library: ctypes.CDLL | None = None
"""`attention.cpp`, compiled for this machine."""


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Queries [B, T, H, d], keys and values [B, T, Hkv, d] → contexts [B, T, H * d]; a score is a power of two."""
    if _fits(q):
        return _attention(q.contiguous(), k.contiguous(), v.contiguous()).flatten(2)
    heads = q.shape[2]
    mixed = F.scaled_dot_product_attention(
        q.transpose(1, 2), _repeated(k, heads), _repeated(v, heads), is_causal=True, scale=math.log(2.0)
    )
    return mixed.transpose(1, 2).flatten(2)


def prepare() -> bool:
    """Build what `attend` is fast with, once in a process; False where there is no compiler for it."""
    global _library
    if _library is None:
        _library = _build()
    return _library is not None


def _fits(q: Tensor) -> bool:
    return _library is not None and q.device.type == "cpu" and q.shape[-1] in HEAD_DIMS and q.dtype == torch.float32


def _repeated(x: Tensor, heads: int) -> Tensor:
    """Keys or values [B, T, Hkv, d] → [B, H, T, d]."""
    return x.transpose(1, 2).repeat_interleave(heads // x.shape[2], dim=1)


def _build() -> ctypes.CDLL | None:
    compiler = shutil.which("g++")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "attention.so"
        done = subprocess.run([compiler, *FLAGS, "-o", target, SOURCE], capture_output=True, check=False)
        return ctypes.CDLL(str(target)) if done.returncode == 0 else None


def _call(arrays: tuple[Tensor | None, ...]) -> None:
    """q, k, v, gradient, contexts, and the three gradients to be written, as `attention.cpp` takes them."""
    q, k = arrays[0], arrays[1]
    if _library is None or q is None or k is None:
        raise RuntimeError("attention.cpp is not built")
    batch, time, heads, head_dim = q.shape
    shape = (batch, time, heads, k.shape[2], head_dim)
    places = [None if array is None else ctypes.c_void_p(array.data_ptr()) for array in arrays]
    _library.attention(*places, *map(ctypes.c_int64, shape))


@torch.library.custom_op("hc1gen::attention", mutates_args=())
def _attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    out = torch.empty_like(q)
    _call((q, k, v, None, out, None, None, None))
    return out


@torch.library.custom_op("hc1gen::attention_gradient", mutates_args=())
def _gradient(q: Tensor, k: Tensor, v: Tensor, grad: Tensor, out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    gradients = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
    _call((q, k, v, grad, out, *gradients))
    return gradients


@_attention.register_fake
def _(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return torch.empty_like(q)


@_gradient.register_fake
def _(q: Tensor, k: Tensor, v: Tensor, grad: Tensor, out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)


def _setup(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
    ctx.save_for_backward(*inputs, output)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    q, k, v, out = ctx.saved_tensors
    return _gradient(q, k, v, grad.contiguous(), out)


_attention.register_autograd(_backward, setup_context=_setup)
