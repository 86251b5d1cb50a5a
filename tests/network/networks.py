"""Networks of models that exist only as a shape."""

from typing import Any

from hc1gen.frontend.model import ModelConfig
from hc1gen.network import Network, Plan, llama
from hc1gen.numeric.config import Formats, NumericConfig
from hc1gen.numeric.numerics import Numerics


def plan_of(lanes: int = 4, kv_heads_per_clock: int = 2, **shape: Any) -> Plan:
    """A plan of a model with two layers of 4 heads, 2 KV heads, `shape` changed."""
    fields: dict[str, Any] = {
        "hidden": 12, "intermediate": 9, "layers": 2, "heads": 4, "kv_heads": 2, "head_dim": 6, "vocab": 21,
        "max_positions": 32, "rms_eps": 1e-5, "rope_theta": 1e4, "tied": False, "bos": 1, "eos": (2,),
    }  # fmt: skip
    model = ModelConfig(**(fields | shape))
    formats = Formats.wide(model.layers, model.kv_heads * model.head_dim // 2)
    return Plan(Numerics(NumericConfig(), formats, model, 16), lanes, kv_heads_per_clock)


def network_of(lanes: int = 4, kv_heads_per_clock: int = 2, **shape: Any) -> Network:
    """Its network."""
    return llama(plan_of(lanes, kv_heads_per_clock, **shape))
