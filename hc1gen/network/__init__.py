"""A model on a chip as one value: an ordered list of nodes, from which everything about its structure follows.

`Network` is the list, and `Plan` holds the choices of the user. Each type of node is a file here. Each family of models
is a file that builds the list, such as `llama`.
"""

from .attention import Attention
from .blockfloat import BlockFloat
from .embedding import Embedding
from .head_gate import HeadGate
from .linear import Linear, Mantissas, Projection
from .llama import llama
from .network import Network, Stage
from .node import Flow, Node, Order, SameOrder, beats_of, places
from .norm import Norm
from .plan import Plan
from .replay import Replay
from .rope import Rope, Segment
from .skip import Branch, Residual
from .swiglu import SwiGlu

__all__ = [
    "Attention", "BlockFloat", "Branch", "Embedding", "Flow", "HeadGate", "Linear", "Mantissas", "Network", "Node",
    "Norm", "Order", "Plan", "Projection", "Replay", "Residual", "Rope", "SameOrder", "Segment", "Stage", "SwiGlu",
    "beats_of", "llama", "places",
]  # fmt: skip
