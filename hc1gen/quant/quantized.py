"""The quantised model: every weight, gain and scale as an integer, in the chip's formats."""

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
    """The weights of a linear map on the grid: `y[r] = (weights[r] @ x) * scale[r]`.

    weights: int8 [R, N], in -4..3 or -3..4; rows of more bits, up to 6, have a larger range. scale: float64 [R].
    mantissa, exponent: int64 [R], with `scale ≈ mantissa * 2**-exponent`.
    """

    name: str
    weights: np.ndarray
    scale: np.ndarray
    mantissa: np.ndarray
    exponent: np.ndarray

    @classmethod
    def quantize(cls, name: str, weights: np.ndarray, scale_bits: int) -> "Matrix":
        """Rounds float weights [R, N] to 3 bits. A row that already lies on a grid of up to 6 bits keeps its integers.

        scale_bits: width of a scale's mantissa.
        """
        q, scale = quantize_rows(weights, kept=MOST_BITS)
        return cls(name, q, scale, *mantissa_exponent(scale, scale_bits))

    def scaled(self, factor: float, scale_bits: int) -> "Matrix":
        """Returns the matrix with the same integers and every scale times `factor`."""
        mantissa, exponent = mantissa_exponent(self.scale * factor, scale_bits)
        return replace(self, scale=self.scale * factor, mantissa=mantissa, exponent=exponent)

    def dequantize(self) -> np.ndarray:
        """Returns the float weights, float32 [R, N]."""
        return (self.weights * self.scale[:, None]).astype(np.float32)

    @cached_property
    def columns(self) -> np.ndarray:
        """The transposed weights, float64 [N, R], for `golden.arith.matmul`."""
        return np.ascontiguousarray(self.weights.T, np.float64)

    def shift(self, in_frac: int, out_frac: int | np.ndarray) -> np.ndarray:
        """Returns the right shift [R] after `accumulator * mantissa`, for an input whose exponent is 0.

        in_frac, out_frac: fraction bits of input and output. See `golden.cmvm.requantize`.
        """
        return self.exponent + in_frac - out_frac


@dataclass(frozen=True, eq=False)
class Gain:
    """The gain of an RMSNorm times sqrt(N): int64 [N], with the value `gain * 2**-frac`."""

    gain: np.ndarray
    frac: int

    @classmethod
    def quantize(cls, weights: np.ndarray, bits: int) -> "Gain":
        """Rounds float gains [N] to `bits` bits, signed, with as many fraction bits as fit."""
        exact = weights.astype(np.float64) * np.sqrt(len(weights))
        largest = max(float(np.abs(exact).max()), 2.0**-20)
        frac = int(np.floor(np.log2(((1 << (bits - 1)) - 1) / largest)))
        return cls(np.floor(exact * 2.0**frac + 0.5).astype(np.int64), frac)


@dataclass(frozen=True, eq=False)
class Table:
    """The embedding. weights: int8 [V, D], on the grid. scale: int64 [V], in units of the residual's lowest bit."""

    name: str
    weights: np.ndarray
    scale: np.ndarray


@dataclass(frozen=True, eq=False)
class QuantizedModel:
    """All numbers that are hardwired in a chip, and the formats that they belong to.

    name, sha256: of the checkpoint. tensors: tensor name → its gain, matrix or table, in the order of the checkpoint. A
    head that is tied to the embedding has an entry of its own; the name in its matrix is that of the embedding.
    """

    name: str
    sha256: str
    model: ModelConfig
    config: NumericConfig
    formats: Formats
    tensors: Mapping[str, Gain | Matrix | Table]

    def numerics(self, context: int) -> Numerics:
        """Returns the derived widths of this model for a KV cache of `context` positions."""
        return Numerics(self.config, self.formats, self.model, context)

    @cached_property
    def matrices(self) -> tuple[Matrix, ...]:
        """The matrices, which become tiles or parts of tiles, in the order of `tensors`."""
        return tuple(tensor for tensor in self.tensors.values() if isinstance(tensor, Matrix))

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables, in the order of `tensors`."""
        return tuple(tensor for tensor in self.tensors.values() if isinstance(tensor, Table))

    def matrix(self, tensor: str) -> Matrix:
        """Returns the matrix of a tensor name. Raises `TypeError` if the tensor is no matrix."""
        return _of_type(Matrix, self.tensors[tensor])

    def gain(self, tensor: str) -> Gain:
        """Returns the gains of a tensor name. Raises `TypeError` if the tensor is no vector of gains."""
        return _of_type(Gain, self.tensors[tensor])

    def table(self, tensor: str) -> Table:
        """Returns the table of a tensor name. Raises `TypeError` if the tensor is no table."""
        return _of_type(Table, self.tensors[tensor])

    def with_formats(self, config: NumericConfig, formats: Formats) -> "QuantizedModel":
        """Returns the model with the same integers and other formats."""
        return replace(self, config=config, formats=formats)

    def first_layers(self, count: int) -> "QuantizedModel":
        """Returns the model with only its first `count` layers."""
        gone = {layer_tensor(i, field) for i in range(count, self.model.layers) for field in LAYER_TENSORS}
        return replace(
            self,
            model=replace(self.model, layers=count),
            formats=replace(self.formats, layers=self.formats.layers[:count]),
            tensors={name: tensor for name, tensor in self.tensors.items() if name not in gone},
        )

    def verify(self) -> None:
        """Raises `ValueError` if an integer is outside its range."""
        for m in self.matrices:
            if row_bits(m.weights).max() > MOST_BITS:
                raise ValueError(f"{m.name}: a weight has more than {MOST_BITS} bits")
            if (m.mantissa >> (self.config.scale_bits - 1) != 1).any():
                raise ValueError(f"{m.name}: a row scale is not a normalised {self.config.scale_bits}-bit mantissa")
        for table in self.tensors.values():
            if isinstance(table, Table) and (table.scale < 0).any():
                raise ValueError("embedding: a row scale is negative")

    def dequantize(self, ir: ModelIR) -> ModelIR:
        """Returns the float model with the quantised weights, to measure the error of the integer arithmetic.

        ir: the checkpoint that this model was quantised from. The norms are taken from it without rounding.
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
    """Returns `ir` with every row rounded to the grid. The default `formats` are the wide ones for calibration.

    Raises `InputError` if a field of `config` is out of range.
    """
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
