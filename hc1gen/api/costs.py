"""What a model takes as a chip, in numbers that follow from its network and its weights."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..fabric.digits import digits
from ..frontend.model import ModelIR
from ..network import Attention
from ..network.llama import factors
from ..quant.grid import row_bits
from ..quant.quantized import QuantizedModel
from ..rtl.clocks import POSITION, greedy_token, total
from ..rtl.embedding import embedding_bits
from ..rtl.transformer import Transformer

BAKE_SECONDS, BAKE_SECONDS_PER_WEIGHT = 8.0, 20e-6
BUILD_SECONDS, BUILD_SECONDS_PER_WEIGHT = 38.0, 450e-6
"""Processor time, a line through models of 5, 9 and 259 thousand weights (docs/cli.md)."""


@dataclass(frozen=True)
class KindCosts:
    """All tiles of one kind. rows, columns: of one tile; full_adders: one for each digit of a weight, before any are
    shared; accumulator_flip_flops: bits of all sums."""

    kind: str
    tiles: int
    rows: int
    columns: int
    weights: int
    zero_weights: int
    full_adders: int
    accumulator_flip_flops: int


class TokenClocks(NamedTuple):
    """Clocks from one greedy token, which takes `position` in the text, to the next, without speculation."""

    position: int
    clocks: int


@dataclass(frozen=True)
class Costs:
    """One model on a chip: the choices behind it and what it takes. kv_bits: of the KV caches of all layers;
    embedding_bits: of the embedding's ROM; kinds: the tiles, kind by kind, in the order of the data."""

    context: int
    lanes: int
    kv_heads_per_clock: int
    kv_bits: int
    embedding_bits: int
    clocks_per_token: TokenClocks
    kinds: tuple[KindCosts, ...]

    @classmethod
    def of(cls, transformer: Transformer) -> "Costs":
        """Of a model as hardware."""
        plan, tables = transformer.plan, transformer.model.tables
        return cls(
            plan.n.context,
            plan.lanes,
            plan.kv_heads_per_clock,
            sum(node.kv_bits for node in transformer.network.of(Attention)),
            sum(embedding_bits(table) * int(table.weights.size) for table in tables),
            token_clocks(transformer, min(POSITION, plan.n.context - 1)),
            kind_costs(transformer),
        )

    @property
    def weights(self) -> int:
        """Of all tiles, zeros included."""
        return sum(kind.weights for kind in self.kinds)

    @property
    def zero_weights(self) -> int:
        """Weights that are zero and cost nothing."""
        return sum(kind.zero_weights for kind in self.kinds)

    @property
    def full_adders(self) -> int:
        """Of all tiles."""
        return sum(kind.full_adders for kind in self.kinds)

    @property
    def accumulator_flip_flops(self) -> int:
        """Of all tiles."""
        return sum(kind.accumulator_flip_flops for kind in self.kinds)

    @property
    def bake_seconds(self) -> float:
        """About how long a bake takes, on one processor."""
        return BAKE_SECONDS + BAKE_SECONDS_PER_WEIGHT * self.weights

    @property
    def build_seconds(self) -> float:
        """About how long the build of a simulator takes, on one processor."""
        return BUILD_SECONDS + BUILD_SECONDS_PER_WEIGHT * self.weights


@dataclass(frozen=True)
class TensorCosts:
    """A matrix after rounding. bits: of its widest row; error: of the rounding, relative to the matrix, as root mean
    squares."""

    name: str
    rows: int
    columns: int
    bits: int
    weights: int
    zero_weights: int
    full_adders: int
    error: float


@dataclass(frozen=True)
class Estimate:
    """A model before it is calibrated: its costs, but for the widths of sums that calibration makes smaller, and what
    rounding does to each matrix, in the order of the data."""

    costs: Costs
    tensors: tuple[TensorCosts, ...]


def token_clocks(transformer: Transformer, position: int) -> TokenClocks:
    """From one greedy token on `out`, which takes `position` in the text, to the next."""
    return TokenClocks(position, total(greedy_token(transformer, position)))


def kind_costs(transformer: Transformer) -> tuple[KindCosts, ...]:
    """Costs of the CMVM tiles by kind, in the order of the data."""
    found: dict[str, KindCosts] = {}
    for tile in transformer.tiles():
        rows, columns = tile.weights.shape
        before = found.get(tile.node.name, KindCosts(tile.node.name, 0, 0, 0, 0, 0, 0, 0))
        found[tile.node.name] = KindCosts(
            tile.node.name,
            before.tiles + 1,
            rows,
            columns,
            before.weights + int(tile.weights.size),
            before.zero_weights + int(np.count_nonzero(tile.weights == 0)),
            before.full_adders + tile.full_adders,
            before.accumulator_flip_flops + len(tile.slots) * tile.acc_bits,
        )
    return tuple(found.values())


def tensor_costs(ir: ModelIR, model: QuantizedModel) -> tuple[TensorCosts, ...]:
    """Of every matrix of a checkpoint, and of the model that it was rounded to."""
    scaled, found = factors(ir.config), []
    for (name, weights), matrix in zip(ir.matrices(), model.matrices, strict=True):
        rows, columns = weights.shape
        rounded = matrix.dequantize() / scaled.get(name, 1.0)
        size = float(np.sqrt(np.square(weights, dtype=np.float64).sum()))
        error = float(np.sqrt(np.square(weights - rounded, dtype=np.float64).sum()))
        found.append(
            TensorCosts(
                matrix.name,
                rows,
                columns,
                bits=int(row_bits(matrix.weights).max()),
                weights=int(weights.size),
                zero_weights=int(np.count_nonzero(matrix.weights == 0)),
                full_adders=int(np.count_nonzero(digits(matrix.weights))),
                error=error / size if size else 0.0,
            )
        )
    return tuple(found)
