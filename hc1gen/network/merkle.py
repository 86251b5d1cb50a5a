"""A Merkle tree over everything in a model that is hardwired. Its root, 256 bits, identifies the model.

The hash is SHA-256, and the tree is that of RFC 6962: leaves and nodes are hashed with different first bytes, and the
last node of a level goes up unchanged if it has no partner. The format is in docs/provenance.md.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .network import Network
from .tensor import Leaf, Tensors

NODE = b"\1"
"""First byte of what is hashed for a node."""
ROOT_BITS = 256
"""Width of a root."""
PARAMETERS = "parameters"
"""Name of the leaf that says what the integers mean. No tensor has this name, since theirs end in `.weight`."""


def parameters_leaf(parameters: Mapping[str, Any]) -> Leaf:
    """The leaf of the parameters, as JSON in ASCII with sorted keys and without spaces."""
    return Leaf(PARAMETERS, json.dumps(parameters, sort_keys=True, separators=(",", ":")).encode())


def node(left: bytes, right: bytes) -> bytes:
    """The digest of a node, 32 bytes, from those of its two children."""
    return hashlib.sha256(NODE + left + right).digest()


def root(digests: Sequence[bytes]) -> bytes:
    """The root, 32 bytes, of a tree with these leaves. There must be at least one."""
    level = list(digests)
    while len(level) > 1:
        pairs = [node(a, b) for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[len(level) - len(level) % 2 :]
    return level[0]


def parameters(network: Network) -> dict[str, Any]:
    """The choices and formats with which the integers were made. The manifest has each of them under the same name."""
    plan = network.plan
    return {
        "numeric_config": asdict(plan.n.config),
        "model": asdict(plan.n.model),
        "formats": asdict(plan.n.formats),
        "context": plan.n.context,
        "lanes": plan.lanes,
        "kv_heads_per_clock": plan.kv_heads_per_clock,
    }


@dataclass(frozen=True)
class Tree:
    """The Merkle tree of a model. Its first leaf holds the parameters; behind it is one leaf for each tensor, in the
    order of the network.
    """

    leaves: tuple[Leaf, ...]

    @classmethod
    def of(cls, network: Network, model: Tensors) -> "Tree":
        """The tree of a model with its network."""
        tensors = (tensor.leaf for node in network.nodes for tensor in node.hardwired(model))
        return cls((parameters_leaf(parameters(network)), *tensors))

    @property
    def root(self) -> bytes:
        """SHA-256, 32 bytes."""
        return root([leaf.digest for leaf in self.leaves])
