"""A Merkle tree over everything of a model that is hardwired: its root, 256 bits, names it. docs/provenance.md.

SHA-256 in the tree of RFC 6962: leaves and nodes are hashed under different first bytes, and the last node of a level
that has no partner goes up as it is.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from .network import Network
from .tensor import Leaf

if TYPE_CHECKING:
    from ..quant.quantized import QuantizedModel

NODE = b"\1"
"""First byte of what is hashed for a node."""
ROOT_BITS = 256
PARAMETERS = "parameters"
"""Name of the leaf that says what the integers mean. No tensor has it: their names end in `.weight`."""


def parameters_leaf(parameters: Mapping[str, Any]) -> Leaf:
    """What is not a tensor but decides what the tensors mean, as JSON: sorted keys, no spaces, ASCII."""
    return Leaf(PARAMETERS, json.dumps(parameters, sort_keys=True, separators=(",", ":")).encode())


def node(left: bytes, right: bytes) -> bytes:
    """The digest over two digests."""
    return hashlib.sha256(NODE + left + right).digest()


def root(digests: Sequence[bytes]) -> bytes:
    """The root over the digests of at least one leaf."""
    level = list(digests)
    while len(level) > 1:
        pairs = [node(a, b) for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[len(level) - len(level) % 2 :]
    return level[0]


def parameters(network: Network, model: "QuantizedModel") -> dict[str, Any]:
    """The choices and formats under which the integers were made; the manifest has each under the same name."""
    plan = network.plan
    return {
        "numeric_config": asdict(model.config),
        "model": asdict(model.model),
        "formats": asdict(model.formats),
        "context": plan.n.context,
        "lanes": plan.lanes,
        "kv_heads_per_clock": plan.kv_heads_per_clock,
    }


@dataclass(frozen=True)
class Tree:
    """A model's Merkle tree: its leaves and their root. The first leaf holds the parameters, then comes every tensor in
    the order of the network."""

    leaves: tuple[Leaf, ...]

    @classmethod
    def of(cls, network: Network, model: "QuantizedModel") -> "Tree":
        """The tree of a model on a chip."""
        tensors = (tensor.leaf for node in network.nodes for tensor in node.hardwired(model))
        return cls((parameters_leaf(parameters(network, model)), *tensors))

    @property
    def root(self) -> bytes:
        """SHA-256, 32 bytes."""
        return root([leaf.digest for leaf in self.leaves])
