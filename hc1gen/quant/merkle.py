"""The Merkle tree over everything of a model that is hardwired, node by node."""

from dataclasses import asdict, dataclass
from typing import Any

from ..network import Network
from .provenance import Leaf, parameters_leaf, root
from .quantized import QuantizedModel


def parameters(network: Network, model: QuantizedModel) -> dict[str, Any]:
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
    def of(cls, network: Network, model: QuantizedModel) -> "Tree":
        """The tree of a model on a chip."""
        tensors = (tensor.leaf for node in network.nodes for tensor in node.hardwired(model))
        return cls((parameters_leaf(parameters(network, model)), *tensors))

    @property
    def root(self) -> bytes:
        """SHA-256, 32 bytes."""
        return root([leaf.digest for leaf in self.leaves])
