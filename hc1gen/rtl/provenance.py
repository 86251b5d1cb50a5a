"""What of a transformer goes into its Merkle tree: its parameters, then every tensor in the order of the data."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..frontend.model import EMBEDDING, FINAL_NORM, layer_tensor
from ..quant.provenance import Leaf, Tensor, parameters_leaf, root
from .tile import Tile
from .transformer import Transformer


def parameters(transformer: Transformer) -> dict[str, Any]:
    """The choices and formats under which the integers were made; the manifest has each under the same name."""
    model, plan = transformer.model, transformer.plan
    return {
        "numeric_config": asdict(model.config),
        "model": asdict(model.model),
        "formats": asdict(model.formats),
        "context": plan.n.context,
        "lanes": plan.lanes,
        "kv_heads_per_clock": plan.kv_heads_per_clock,
    }


def tensors(transformer: Transformer) -> Iterator[Tensor]:
    """The embedding, the layers, the final norm, the head."""
    model = transformer.model
    yield Tensor(EMBEDDING, model.embedding, model.embedding_scale, np.zeros_like(model.embedding_scale))
    tiles = transformer.tiles()
    for index, layer in enumerate(model.layers):
        qkv, out, gate_up, down = (next(tiles) for _ in range(4))
        yield Tensor(layer_tensor(index, "input_norm"), layer.attention_gain.gain)
        yield from tile_tensors(qkv)
        yield from tile_tensors(out)
        yield Tensor(layer_tensor(index, "post_norm"), layer.mlp_gain.gain)
        yield from tile_tensors(gate_up)
        yield from tile_tensors(down)
    yield Tensor(FINAL_NORM, model.final_gain.gain)
    yield from tile_tensors(next(tiles))


def tile_tensors(tile: Tile) -> Iterator[Tensor]:
    """One for each matrix of a tile, with the shifts that the tile gives its rows."""
    first = 0
    for matrix in tile.matrices:
        rows = slice(first, first + len(matrix.weights))
        yield Tensor(matrix.name, matrix.weights, matrix.mantissa, tile.shift[rows])
        first = rows.stop


@dataclass(frozen=True)
class Tree:
    """A model's Merkle tree: its leaves and their root."""

    leaves: tuple[Leaf, ...]

    @classmethod
    def of(cls, transformer: Transformer) -> "Tree":
        """The tree whose first leaf is the parameters."""
        return cls((parameters_leaf(parameters(transformer)), *(tensor.leaf for tensor in tensors(transformer))))

    @property
    def root(self) -> bytes:
        return root([leaf.digest for leaf in self.leaves])
