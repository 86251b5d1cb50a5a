"""What a model costs as a chip, before and after it is one."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..fabric.digits import digits
from ..frontend.model import ModelIR
from ..network import Attention, Network
from ..network.llama import factors
from ..quant.grid import row_bits
from ..quant.quantized import QuantizedModel
from ..rtl.clocks import clocks_per_token
from ..rtl.embedding import embedding_bits
from ..rtl.transformer import Transformer

BAKE_SECONDS, BAKE_SECONDS_PER_WEIGHT = 8.0, 20e-6
BUILD_SECONDS, BUILD_SECONDS_PER_WEIGHT = 38.0, 450e-6
"""Processor time, a line through models of 5, 9 and 259 thousand weights (docs/cli.md)."""
COLUMNS = ("matrices", "tiles", "rows", "columns", "weights", "zero weights", "full adders", "accumulator bits")


@dataclass
class KindCost:
    """All tiles of one kind; rows and columns are those of one tile."""

    kind: str
    tiles: int = 0
    rows: int = 0
    columns: int = 0
    weights: int = 0
    zero_weights: int = 0
    full_adders: int = 0
    accumulator_flip_flops: int = 0


def kind_costs(transformer: Transformer) -> list[KindCost]:
    """Costs of the CMVM tiles by kind, in the order of the data."""
    costs: dict[str, KindCost] = {}
    for tile in transformer.tiles():
        cost = costs.setdefault(tile.node.name, KindCost(tile.node.name))
        cost.tiles += 1
        cost.rows, cost.columns = tile.weights.shape
        cost.weights += int(tile.weights.size)
        cost.zero_weights += int(np.count_nonzero(tile.weights == 0))
        cost.full_adders += tile.full_adders
        cost.accumulator_flip_flops += len(tile.slots) * tile.acc_bits
    return list(costs.values())


def costs(transformer: Transformer) -> dict[str, Any]:
    """JSON fields: the shape of a model on a chip and what it takes."""
    plan, kinds = transformer.plan, kind_costs(transformer)
    names = ("weights", "zero_weights", "full_adders", "accumulator_flip_flops")
    return {
        **{name: sum(getattr(kind, name) for kind in kinds) for name in names},
        "kv_bits": kv_bits(transformer.network),
        "embedding_bits": sum(embedding_bits(table) * int(table.weights.size) for table in transformer.model.tables),
        "context": plan.n.context,
        "lanes": plan.lanes,
        "kv_heads_per_clock": plan.kv_heads_per_clock,
        "clocks_per_token": clocks_per_token(transformer),
        "kinds": [asdict(kind) for kind in kinds],
    }


def kv_bits(network: Network) -> int:
    """Bits of the KV caches of all layers."""
    return sum(node.kv_bits for node in network.of(Attention))


def token_fact(cost: dict[str, Any]) -> str:
    """The clocks of a token, for people."""
    token = cost["clocks_per_token"]
    return f"{token['clocks']:,} at position {token['position']}, greedy, without speculation"


def table_rows(cost: dict[str, Any]) -> list[list[object]]:
    """Rows under COLUMNS, the sum last."""
    rows = [list(kind.values()) for kind in cost["kinds"]]
    names = ("weights", "zero_weights", "full_adders", "accumulator_flip_flops")
    return [*rows, ["all", sum(kind["tiles"] for kind in cost["kinds"]), "", "", *(cost[name] for name in names)]]


def tensor_costs(ir: ModelIR, model: QuantizedModel) -> list[dict[str, Any]]:
    """JSON fields of every matrix; bits: of its widest row; error: of the rounding, relative to the matrix, as root
    mean squares."""
    scaled, entries = factors(ir.config), []
    for (name, weights), matrix in zip(ir.matrices(), model.matrices, strict=True):
        rounded = matrix.dequantize() / scaled.get(name, 1.0)
        size = float(np.sqrt(np.square(weights, dtype=np.float64).sum()))
        error = float(np.sqrt(np.square(weights - rounded, dtype=np.float64).sum()))
        zeros = int(np.count_nonzero(matrix.weights == 0))
        entries.append(
            {
                "name": matrix.name, "rows": weights.shape[0], "columns": weights.shape[1],
                "bits": int(row_bits(matrix.weights).max()), "weights": int(weights.size), "zero_weights": zeros,
                "full_adders": int(np.count_nonzero(digits(matrix.weights))),
                "error": error / size if size else 0.0,
            }
        )  # fmt: skip
    return entries


def estimates(weights: int) -> dict[str, float]:
    """JSON fields: seconds of one processor to bake, and to build the simulator."""
    return {
        "bake_seconds_estimate": round(BAKE_SECONDS + BAKE_SECONDS_PER_WEIGHT * weights, 1),
        "build_seconds_estimate": round(BUILD_SECONDS + BUILD_SECONDS_PER_WEIGHT * weights, 1),
    }
