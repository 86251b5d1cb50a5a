"""The chip's roundings on float tensors, with straight-through gradients.

Every function follows one of `hc1gen.golden`, on float32 that holds the integers exactly up to 2**24. What is rounded
has the gradient of what it was before (straight-through estimator: Bengio, Léonard, Courville 2013).
"""

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..numeric.numerics import Numerics

MANTISSA_FIELD = 23
"""Place of the exponent in a float32."""
EXPONENT_BIAS = 127
TIE = 0.25
"""Sums come out of a float product: they are integers but for an error far below this."""


def straight_through(exact: Tensor, rounded: Tensor) -> Tensor:
    """The value of `rounded` with the gradient of `exact`."""
    return exact + (rounded - exact).detach()


def floor_log2(x: Tensor) -> Tensor:
    """Positive normal float32 → int32, exactly; far below zero for 0."""
    return (x.view(torch.int32) >> MANTISSA_FIELD) - EXPONENT_BIAS


def power_of_two(exponent: Tensor) -> Tensor:
    """int32 within the normal range → float32 `2**exponent`, exactly."""
    return ((exponent + EXPONENT_BIAS) << MANTISSA_FIELD).view(torch.float32)


def half_up(x: Tensor) -> Tensor:
    """The nearest integer, halves upwards: `golden.arith.round_shift`."""
    return torch.floor(x + 0.5)


def to_integers(steps: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Weights in steps [R, N] → the nearest integers in low..high [R], halves upwards; no gradient of its own."""
    return torch.clamp(half_up(steps), low[:, None], high[:, None])


def fixed(x: Tensor, steps: Tensor | float, bits: int) -> Tensor:
    """`x` rounded to multiples of `1 / steps` and saturated to `bits` bits; no gradient of its own."""
    limit = 2.0 ** (bits - 1)
    return torch.clamp(half_up(x * steps), -limit, limit - 1) / steps


def ones_complement(x: Tensor) -> Tensor:
    """The magnitude of an integer as the chip takes it: `x` or, below zero, `~x`."""
    return torch.maximum(x, -x - 1)


def block_float(x: Tensor, bits: int, heavy: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Integers [.., N] → (mantissas [.., N] of `bits` bits, int32 exponent [.., 1]); see `golden.blockfloat`."""
    magnitude = ones_complement(x if heavy is None else x * heavy).amax(dim=-1, keepdim=True)
    exponent = torch.clamp(floor_log2(magnitude) - (bits - 2), min=0)
    limit = 2.0 ** (bits - 1) - 1
    return torch.clamp(half_up(x * power_of_two(-exponent)), -limit, limit), exponent


@dataclass(frozen=True)
class Widths:
    """Constants of a run, the same for every layer: what the functions below need of `Numerics`."""

    act_bits: int
    drop_bits: int
    scale_bits: int
    gain_bits: int
    residual_frac: int
    norm_bits: int
    norm_lift: int
    norm_drop: int
    square_drop: int
    mantissa_bits: int
    rsqrt_bits: int
    rms_eps: float
    epsilon: float
    """n * rms_eps in units of the sum of squares."""
    qkv_bits: int
    query_bits: int
    kv_bits: int
    gate_frac: int
    gate_bits: int
    up_bits: int
    logit_bits: int

    @classmethod
    def of(cls, n: Numerics) -> "Widths":
        frac = n.config.residual_frac + n.norm_lift - n.square_exponent
        derived: dict[str, Any] = {
            "norm_lift": n.norm_lift,
            "norm_drop": n.norm_drop,
            "square_drop": n.square_drop,
            "rms_eps": n.model.rms_eps,
            "epsilon": n.model.hidden * n.model.rms_eps * 4.0**frac,
        }
        named = {f.name: getattr(n.config, f.name) for f in fields(cls) if f.name not in derived}
        return cls(**named, **derived)


class Latent(NamedTuple):
    """weights [R, N], log_scale [R]; integers are in low..high, [R] each."""

    weights: Tensor
    log_scale: Tensor
    low: Tensor
    high: Tensor


@dataclass
class Rows:
    """A matrix as the chip has it: weight [R, N], its value with gradients; mantissa and unit [R] of the row scales."""

    weight: Tensor
    mantissa: Tensor
    unit: Tensor


@dataclass
class Vectors:
    """What enters a matrix: value [.., N] with gradients, worth mantissas times factor * unit [.., 1].

    factor: the integer that the row scales are multiplied with, or None for 1.
    """

    value: Tensor
    factor: Tensor | None
    unit: Tensor


def linear(rows: Rows, x: Vectors, w: Widths) -> tuple[Tensor, Tensor]:
    """(`x` times the matrix [.., R], with gradients; the same after the chip's roundings but the last)."""
    exact = x.value @ rows.weight.t()
    step = float(1 << w.drop_bits)
    if x.factor is None:
        scale = (rows.mantissa * rows.unit) * x.unit
        product = torch.floor((exact / scale + (step / 2 + TIE)) / step) * step
        return exact, product * scale
    whole = rows.mantissa * x.factor * 2.0**-w.rsqrt_bits
    unit = rows.unit * x.unit
    product = torch.floor((exact / (whole * unit) + (step / 2 + TIE)) / step) * step
    return exact, product * half_up(whole) * unit


def rms_norm(x: Tensor, gain: Tensor, rsqrt: Tensor, w: Widths) -> Vectors:
    """Residuals [.., D], gain [D] → normalised vectors as a matrix sees them; see `golden.norm`.

    rsqrt [2 << mantissa_bits]: the table of 1/sqrt, written out.
    """
    exact = x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + w.rms_eps) * gain
    with torch.no_grad():
        multiplier, steps = gain_integers(gain, w)
        heavy = 1.0 + torch.floor(ones_complement(multiplier) * 2.0 ** (2 - w.gain_bits))
        mantissas, exponent = block_float(x * 2.0 ** (w.residual_frac + w.norm_lift), w.norm_bits, heavy)
        odd = torch.floor(ones_complement(mantissas) * 2.0**-w.square_drop) * 2.0 + 1.0
        total = odd.square().sum(dim=-1, keepdim=True) + half_up(w.epsilon * power_of_two(-2 * exponent))
        top = floor_log2(total)
        fraction = torch.floor((total * power_of_two(-top) - 1.0) * 2.0**w.mantissa_bits).to(torch.int32)
        index = ((top & 1) << w.mantissa_bits) | fraction
        factor = rsqrt[index.clamp(0, len(rsqrt) - 1)]  # beyond are only NaNs, which the loss then shows
        limit = 2.0 ** (w.act_bits - 1) - 1
        entering = torch.clamp(half_up(mantissas * multiplier * 2.0**-w.norm_drop), -limit, limit)
        unit = power_of_two(-(top >> 1)) * 2.0 ** (w.norm_drop - w.square_drop + 1 - w.rsqrt_bits) / steps
    return Vectors(straight_through(exact, entering * factor * unit), factor, unit * 2.0**w.rsqrt_bits)


def gain_integers(gain: Tensor, w: Widths) -> tuple[Tensor, Tensor]:
    """RMSNorm gain [D] → (integers [D] of `gain_bits`, steps [] in one); see `quant.quantized.Gain`."""
    exact = gain * len(gain) ** 0.5
    largest = torch.clamp(exact.abs().amax(), min=2.0**-20)
    steps = power_of_two(floor_log2((2.0 ** (w.gain_bits - 1) - 1) / largest))
    return half_up(exact * steps), steps


def block_vectors(x: Tensor, steps: Tensor, w: Widths) -> Vectors:
    """Values [.., N], multiples of `1 / steps` after rounding, in block floating point of `act_bits`."""
    with torch.no_grad():
        mantissas, exponent = block_float(half_up(x * steps), w.act_bits)
        unit = power_of_two(exponent) / steps
    return Vectors(straight_through(x, mantissas * unit), None, unit)


def on_grid(rows: Latent, factor: Tensor | float, w: Widths) -> tuple[Tensor, Rows]:
    """Latent rows [R, N] → (integers [R, N], with gradients; the matrix).

    Learned step sizes (LSQ: Esser et al. 2020): the scale's gradient is what rounding did to each weight. `factor` is
    multiplied into the scales before they are rounded to mantissas.
    """
    scale = torch.exp(rows.log_scale)
    low, high = rows.low[:, None] - 0.5, rows.high[:, None] + 0.5
    latent = torch.minimum(torch.maximum(rows.weights / scale[:, None], low), high)
    integers = straight_through(latent, to_integers(latent, rows.low, rows.high))
    exact = scale * factor
    with torch.no_grad():
        unit = power_of_two(floor_log2(exact) + 1 - w.scale_bits)
        mantissa = half_up(exact / unit)
        carried = mantissa >= 2.0**w.scale_bits
        mantissa, unit = torch.where(carried, mantissa / 2, mantissa), torch.where(carried, unit * 2, unit)
    rounded = straight_through(exact, mantissa * unit)
    return integers, Rows(integers * rounded[:, None], mantissa, unit)
