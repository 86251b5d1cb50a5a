"""The quantised model: integers of every weight, gain and scale, in the chip's formats."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np

from ..frontend.model import EMBEDDING, HEAD, LAYER_TENSORS, ModelConfig, ModelIR, layer_tensor
from ..network.llama import factors
from ..numeric.config import Formats, NumericConfig
from ..numeric.numerics import Numerics
from .grid import MOST_BITS, mantissa_exponent, quantize_rows, row_bits


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
class Table:
    """The embedding: weights int8 [V, D], on the grid; scale int64 [V], in units of the residual stream's last bit."""

    name: str
    weights: np.ndarray
    scale: np.ndarray


@dataclass(frozen=True, eq=False)
class QuantizedModel:
    """Everything that is hardwired, and the formats it is hardwired for.

    name, sha256: of the checkpoint; tensors: every gain, matrix and table under its tensor's name, in the order of the
    data. A tied head has an entry of its own, whose matrix bears the embedding's name.
    """

    name: str
    sha256: str
    model: ModelConfig
    config: NumericConfig
    formats: Formats
    tensors: Mapping[str, Gain | Matrix | Table]

    def numerics(self, context: int) -> Numerics:
        return Numerics(self.config, self.formats, self.model, context)

    @cached_property
    def matrices(self) -> tuple[Matrix, ...]:
        """Every matrix that becomes part of a tile, in the order of the data."""
        return tuple(tensor for tensor in self.tensors.values() if isinstance(tensor, Matrix))

    @property
    def tables(self) -> tuple[Table, ...]:
        """Every table, in the order of the data."""
        return tuple(tensor for tensor in self.tensors.values() if isinstance(tensor, Table))

    def matrix(self, tensor: str) -> Matrix:
        """The matrix under a tensor's name; `TypeError` where that is something else."""
        return _of_type(Matrix, self.tensors[tensor])

    def gain(self, tensor: str) -> Gain:
        """The gains under a tensor's name; `TypeError` where that is something else."""
        return _of_type(Gain, self.tensors[tensor])

    def table(self, tensor: str) -> Table:
        """The table under a tensor's name; `TypeError` where that is something else."""
        return _of_type(Table, self.tensors[tensor])

    def with_formats(self, config: NumericConfig, formats: Formats) -> "QuantizedModel":
        """The same integers in other formats."""
        return replace(self, config=config, formats=formats)

    def first_layers(self, count: int) -> "QuantizedModel":
        """The model without the layers behind its first `count`."""
        gone = {layer_tensor(i, field) for i in range(count, self.model.layers) for field in LAYER_TENSORS}
        return replace(
            self,
            model=replace(self.model, layers=count),
            formats=replace(self.formats, layers=self.formats.layers[:count]),
            tensors={name: tensor for name, tensor in self.tensors.items() if name not in gone},
        )

    def verify(self) -> None:
        """Raise `ValueError` where an integer is outside its range."""
        for m in self.matrices:
            if row_bits(m.weights).max() > MOST_BITS:
                raise ValueError(f"{m.name}: a weight has more than {MOST_BITS} bits")
            if (m.mantissa >> (self.config.scale_bits - 1) != 1).any():
                raise ValueError(f"{m.name}: a row scale is not a normalised {self.config.scale_bits}-bit mantissa")
        for table in self.tensors.values():
            if isinstance(table, Table) and (table.scale < 0).any():
                raise ValueError("embedding: a row scale is negative")

    def dequantize(self, ir: ModelIR) -> ModelIR:
        """The float model with the same quantised weights: what the integer arithmetic is measured against.

        `ir` is the checkpoint this model was quantised from; norms are taken from it unrounded.
        """
        undo = factors(self.model)

        def exact(name: str, array: np.ndarray) -> np.ndarray:
            tensor = self.tensors[name]
            if isinstance(tensor, Matrix):
                rows = tensor.dequantize()
                return rows / np.float32(undo[name]) if name in undo else rows
            if isinstance(tensor, Table):
                if self.model.tied:
                    return self.matrix(HEAD).dequantize()
                scale = tensor.scale * 2.0**-self.config.residual_frac
                return (tensor.weights * scale[:, None]).astype(np.float32)
            return array

        return ir.mapped(exact)


T = TypeVar("T")


def _of_type(kind: type[T], tensor: object) -> T:
    if not isinstance(tensor, kind):
        raise TypeError(f"got {type(tensor).__name__}, expected {kind.__name__}")
    return tensor


def quantize(ir: ModelIR, config: NumericConfig, formats: Formats | None = None) -> QuantizedModel:
    """Round every row of `ir` to the grid; `formats` default to the wide ones that calibration starts from."""
    config.verify()
    scaled = factors(ir.config)
    tensors: dict[str, Gain | Matrix | Table] = {}
    for name, array in ir.tensors():
        if array.ndim == 1:
            tensors[name] = Gain.quantize(array, config.gain_bits)
            continue
        matrix = Matrix.quantize(name, array, config.scale_bits)
        if name == EMBEDDING:
            scale = np.floor(matrix.scale * 2.0**config.residual_frac + 0.5).astype(np.int64)
            tensors[name], rows = Table(name, matrix.weights, scale), matrix
        else:
            tensors[name] = matrix.scaled(scaled[name], config.scale_bits) if name in scaled else matrix
    if ir.config.tied:
        tensors[HEAD] = rows
    wide = Formats.wide(ir.config.layers, ir.config.kv_heads * ir.config.head_dim // 2)
    return QuantizedModel(ir.name, ir.sha256, ir.config, config, formats or wide, tensors)
