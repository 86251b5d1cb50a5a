"""The quantised model: integers of every weight, gain and scale, in the chip's formats."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..frontend.model import LayerWeights, ModelConfig, ModelIR
from .config import Formats, NumericConfig
from .grid import MOST_BITS, mantissa_exponent, quantize_rows, row_bits
from .numerics import Numerics


@dataclass(frozen=True, eq=False)
class Matrix:
    """Weights of one linear map on the grid: `y[r] = (weights[r] @ q) * scale[r]`.

    weights: int8 [R, N], in -4..3 or -3..4 but for rows of up to 6 bits; scale: float64 [R];
    mantissa, exponent: int64 [R], `scale ≈ mantissa * 2**-exponent`.
    """

    name: str
    weights: np.ndarray
    scale: np.ndarray
    mantissa: np.ndarray
    exponent: np.ndarray

    @classmethod
    def quantize(cls, name: str, weights: np.ndarray, scale_bits: int) -> "Matrix":
        """3 bits to a weight; a row that lies on a grid of up to 6 bits keeps its integers."""
        q, scale = quantize_rows(weights, kept=MOST_BITS)
        return cls(name, q, scale, *mantissa_exponent(scale, scale_bits))

    def scaled(self, factor: float, scale_bits: int) -> "Matrix":
        """The same integers, every row worth `factor` times as much."""
        mantissa, exponent = mantissa_exponent(self.scale * factor, scale_bits)
        return replace(self, scale=self.scale * factor, mantissa=mantissa, exponent=exponent)

    def dequantize(self) -> np.ndarray:
        """float32 [R, N]."""
        return (self.weights * self.scale[:, None]).astype(np.float32)

    @cached_property
    def columns(self) -> np.ndarray:
        """float64 [N, R], for exact products."""
        return np.ascontiguousarray(self.weights.T, np.float64)

    def shift(self, in_frac: int, out_frac: int | np.ndarray) -> np.ndarray:
        """Right shift [R] after `accumulator * mantissa`, for an input of exponent 0 (see `golden.cmvm.requantize`)."""
        return self.exponent + in_frac - out_frac


@dataclass(frozen=True, eq=False)
class Gain:
    """RMSNorm gain times sqrt(n): int64 [N], value `gain * 2**-frac`."""

    gain: np.ndarray
    frac: int

    @classmethod
    def quantize(cls, weights: np.ndarray, bits: int) -> "Gain":
        exact = weights.astype(np.float64) * np.sqrt(len(weights))
        largest = max(float(np.abs(exact).max()), 2.0**-20)
        frac = int(np.floor(np.log2(((1 << (bits - 1)) - 1) / largest)))
        return cls(np.floor(exact * 2.0**frac + 0.5).astype(np.int64), frac)


@dataclass(frozen=True, eq=False)
class QuantizedLayer:
    """One transformer layer. `q` carries log2(e)/sqrt(head_dim), so that a score is a power of two."""

    attention_gain: Gain
    q: Matrix
    k: Matrix
    v: Matrix
    o: Matrix
    mlp_gain: Gain
    gate: Matrix
    up: Matrix
    down: Matrix

    def matrices(self) -> tuple[Matrix, ...]:
        return self.q, self.k, self.v, self.o, self.gate, self.up, self.down


@dataclass(frozen=True, eq=False)
class QuantizedModel:
    """Everything that is hardwired, and the formats it is hardwired for.

    name, sha256: of the checkpoint; embedding: int8 [V, D]; embedding_scale: int64 [V], in units of the residual
    stream's last bit.
    """

    name: str
    sha256: str
    model: ModelConfig
    config: NumericConfig
    formats: Formats
    embedding: np.ndarray
    embedding_scale: np.ndarray
    layers: tuple[QuantizedLayer, ...]
    final_gain: Gain
    head: Matrix

    def numerics(self, context: int) -> Numerics:
        return Numerics(self.config, self.formats, self.model, context)

    @cached_property
    def matrices(self) -> tuple[Matrix, ...]:
        """Every matrix that becomes CMVM tiles, in the order of the data."""
        return (*(m for layer in self.layers for m in layer.matrices()), self.head)

    def with_formats(self, config: NumericConfig, formats: Formats) -> "QuantizedModel":
        """The same integers in other formats."""
        return replace(self, config=config, formats=formats)

    def verify(self) -> None:
        """Raise `ValueError` where an integer is outside its range."""
        for m in self.matrices:
            if row_bits(m.weights).max() > MOST_BITS:
                raise ValueError(f"{m.name}: a weight has more than {MOST_BITS} bits")
            if (m.mantissa >> (self.config.scale_bits - 1) != 1).any():
                raise ValueError(f"{m.name}: a row scale is not a normalised {self.config.scale_bits}-bit mantissa")
        if (self.embedding_scale < 0).any():
            raise ValueError("embedding: a row scale is negative")

    def dequantize(self, ir: ModelIR) -> ModelIR:
        """The float model with the same quantised weights: what the integer arithmetic is measured against.

        `ir` is the checkpoint this model was quantised from; norms are taken from it unrounded.
        """
        undo = np.sqrt(self.model.head_dim) * np.log(2.0)
        layers = tuple(
            LayerWeights(
                input_norm=w.input_norm, q=(m.q.dequantize() * undo).astype(np.float32), k=m.k.dequantize(),
                v=m.v.dequantize(), o=m.o.dequantize(), post_norm=w.post_norm, gate=m.gate.dequantize(),
                up=m.up.dequantize(), down=m.down.dequantize(),
            )
            for w, m in zip(ir.layers, self.layers, strict=True)
        )  # fmt: skip
        head = self.head.dequantize()
        scale = self.embedding_scale * 2.0**-self.config.residual_frac
        embedding = head if self.model.tied else (self.embedding * scale[:, None]).astype(np.float32)
        return replace(ir, embedding=embedding, layers=layers, head=head)


def quantize(ir: ModelIR, config: NumericConfig, formats: Formats | None = None) -> QuantizedModel:
    """Round every row of `ir` to the grid; `formats` default to the wide ones that calibration starts from."""
    config.verify()
    bits = config.scale_bits
    to_power_of_two = 1.0 / (np.sqrt(ir.config.head_dim) * np.log(2.0))

    def layer(index: int, w: LayerWeights) -> QuantizedLayer:
        def matrix(kind: str, weights: np.ndarray) -> Matrix:
            return Matrix.quantize(f"model.layers.{index}.{kind}.weight", weights, bits)

        return QuantizedLayer(
            attention_gain=Gain.quantize(w.input_norm, config.gain_bits),
            q=matrix("self_attn.q_proj", w.q).scaled(to_power_of_two, bits),
            k=matrix("self_attn.k_proj", w.k),
            v=matrix("self_attn.v_proj", w.v),
            o=matrix("self_attn.o_proj", w.o),
            mlp_gain=Gain.quantize(w.post_norm, config.gain_bits),
            gate=matrix("mlp.gate_proj", w.gate),
            up=matrix("mlp.up_proj", w.up),
            down=matrix("mlp.down_proj", w.down),
        )

    wide = Formats.wide(ir.config.layers, ir.config.kv_heads * ir.config.head_dim // 2)
    head_name = "model.embed_tokens.weight" if ir.config.tied else "lm_head.weight"
    head = Matrix.quantize(head_name, ir.head, bits)
    rows = head if ir.config.tied else Matrix.quantize("model.embed_tokens.weight", ir.embedding, bits)
    return QuantizedModel(
        ir.name, ir.sha256, ir.config, config, formats or wide,
        embedding=rows.weights,
        embedding_scale=np.floor(rows.scale * 2.0**config.residual_frac + 0.5).astype(np.int64),
        layers=tuple(layer(i, w) for i, w in enumerate(ir.layers)),
        final_gain=Gain.quantize(ir.final_norm, config.gain_bits),
        head=head,
    )  # fmt: skip
