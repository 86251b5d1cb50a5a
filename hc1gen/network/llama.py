"""The Llama family as a network. Only this file says which tensor belongs to which part of a layer."""

import math
from itertools import chain

from ..frontend.model import EMBEDDING, FINAL_NORM, HEAD, ModelConfig, layer_tensor
from .attention import Attention
from .blockfloat import BlockFloat
from .embedding import Embedding
from .head_gate import HeadGate
from .linear import Linear, Mantissas, Projection
from .network import Network, Stage
from .node import Node, Order
from .norm import Norm
from .plan import Plan
from .replay import Replay
from .rope import Rope, Segment, numbered
from .skip import Branch, Residual
from .swiglu import SwiGlu

ROW_GROUPS = 2
"""Row groups of matrices with many rows: shared registers then save more than a second pass of the planes costs."""


def llama(plan: Plan) -> Network:
    """The network of a Llama model: embedding, layers of attention and gated MLP, LM head."""
    layers = (_layer(plan, index) for index in range(plan.n.model.layers))
    return Network(plan, (_embedding(plan), *layers, _head(plan)))


def factors(model: ModelConfig) -> dict[str, float]:
    """Tensor → the factor of its row scales on the chip, for tensors whose factor is not 1.

    The chip computes softmax with powers of two. So the queries contain the factor log2(e) besides 1 / sqrt(head_dim).
    """
    query = 1.0 / (math.sqrt(model.head_dim) * math.log(2.0))
    return {layer_tensor(index, "q"): query for index in range(model.layers)}


def attention(plan: Plan) -> Attention:
    """The attention node, which is the same in all layers."""
    model = plan.n.model
    return Attention(
        "attention", model.heads, model.kv_heads, model.head_dim, plan.kv_heads_per_clock, plan.pair_lanes, plan.lanes,
        plan.position_bits, plan.prefix, plan.n,
    )  # fmt: skip


def rope(plan: Plan) -> Rope:
    """The RoPE node: keys and queries are rotated; values are only rounded to the width of the KV cache."""
    heads, c = attention(plan), plan.n.config
    segments = (
        Segment(heads.keys, True, c.kv_bits),
        Segment(heads.values, False, c.kv_bits),
        Segment(heads.queries, True, c.query_bits),
    )
    return Rope("rope", segments, plan.pair_lanes, plan.n.model.head_dim, plan.position_bits, plan.n)


def swiglu(plan: Plan) -> SwiGlu:
    """The node of the MLP's gate."""
    return SwiGlu("swiglu", plan.n.model.intermediate, plan.pair_lanes // 2, plan.n)


def _embedding(plan: Plan) -> Stage:
    """The first stage."""
    model = plan.n.model
    node = Embedding(
        "embedding", f"{plan.prefix}embedding_rom", EMBEDDING, model.vocab, model.hidden, plan.residual, plan.lanes
    )
    return Stage("embedding", "embedding", (node,))


def _layer(plan: Plan, index: int) -> Stage:
    """The stage of a layer, a module of its own."""
    nodes = chain(_attention(plan, index), _mlp(plan, index))
    return Stage("layer", f"layer{index}", tuple(nodes), f"transformer layer {index}, attention and MLP.")


def _attention(plan: Plan, index: int) -> list[Node]:
    """The attention sublayer, from the residual stream back to it."""
    n, c, module = plan.n, plan.n.config, f"{plan.prefix}layer{index}"
    heads, qkv = attention(plan), _qkv(plan, index)
    quantize = BlockFloat("out_quantize", "attention", heads.outputs, plan.lanes, n.attention_bits, c.act_bits)
    mixed = _mantissas(plan, quantize, n.attention_in_frac(index))
    # Attention overwrites the sums of one word with those of the next, so with several words a replay buffer is needed.
    replay = (
        [Replay("attention_replay", heads.outputs, plan.lanes, "attention", n.attention_bits)]
        if heads.kv_words > 1
        else []
    )
    return [
        Branch("attention_branch", plan.residual, plan.lanes),
        _norm(plan, "attention_norm", f"{module}_attention_gain", layer_tensor(index, "input_norm"), qkv),
        qkv,
        rope(plan),
        heads,
        *replay,
        quantize,
        _to_residual(plan, "out", f"{module}_out", layer_tensor(index, "o"), mixed),
        Residual("attention_residual", plan.residual, plan.lanes),
    ]


def _qkv(plan: Plan, index: int) -> Linear:
    """The linear node of K, V and Q, stacked in the order in which attention takes them."""
    n, c, heads = plan.n, plan.n.config, attention(plan)
    keys, queries = (tuple(int(f) for f in fracs) for fracs in (n.key_fracs(index), n.query_fracs(index)))
    kept, asked = c.qkv_bits - c.kv_bits, c.qkv_bits - c.query_bits  # bits that RoPE rounds off
    value_frac = n.formats.layers[index].value_frac + kept
    projections = (
        Projection(layer_tensor(index, "k"), len(keys), c.qkv_bits, tuple(f + kept for f in keys)),
        Projection(layer_tensor(index, "v"), len(keys), c.qkv_bits, value_frac),
        Projection(layer_tensor(index, "q"), len(queries), c.qkv_bits, tuple(f + asked for f in queries)),
    )
    rows = numbered((heads.keys, heads.values, heads.queries))
    source = _normed(plan, layer_tensor(index, "input_norm"))
    return _grouped("qkv", f"{plan.prefix}layer{index}_qkv", projections, source, rows, plan.pair_lanes)


def _mlp(plan: Plan, index: int) -> list[Node]:
    """The MLP sublayer, from the residual stream back to it."""
    n, c, module, gate = plan.n, plan.n.config, f"{plan.prefix}layer{index}", swiglu(plan)
    projections = (
        Projection(layer_tensor(index, "gate"), gate.size, c.gate_bits, c.gate_frac),
        Projection(layer_tensor(index, "up"), gate.size, c.up_bits, n.formats.layers[index].up_frac),
    )
    source = _normed(plan, layer_tensor(index, "post_norm"))
    # The quantiser needs the intermediate vector in two passes and SwiGLU stores nothing, so gates and ups pass twice.
    gate_up = _grouped("gate_up", f"{module}_gate_up", projections, source, gate.rows, plan.pair_lanes, replays=2)
    quantize = BlockFloat(
        "down_quantize", "intermediate", gate.intermediate, gate.pairs, n.intermediate_bits, c.act_bits
    )
    intermediate = _mantissas(plan, quantize, n.mlp_in_frac(index))
    return [
        Branch("mlp_branch", plan.residual, plan.lanes),
        _norm(plan, "mlp_norm", f"{module}_mlp_gain", layer_tensor(index, "post_norm"), gate_up),
        gate_up,
        gate,
        quantize,
        _to_residual(plan, "down", f"{module}_down", layer_tensor(index, "down"), intermediate),
        Residual("mlp_residual", plan.residual, plan.lanes),
    ]


def _head(plan: Plan) -> Stage:
    """The last stage, from the residual stream behind the last layer to the logits."""
    n, c, prefix = plan.n, plan.n.config, plan.prefix
    projection = Projection(HEAD, n.model.vocab, c.logit_bits, n.formats.logit_frac)
    head = _grouped("head", f"{prefix}head", (projection,), _normed(plan, FINAL_NORM), plan.vocabulary, plan.lanes)
    nodes = (
        HeadGate("head_gate", plan.residual, plan.lanes),
        Replay("head_replay", plan.residual, plan.lanes, "head", n.residual_bits),
        _norm(plan, "final_norm", f"{prefix}final_gain", FINAL_NORM, head),
        head,
    )
    return Stage("head", "head", nodes)


def _grouped(
    name: str, module: str, projections: tuple[Projection, ...], source: Mantissas, rows: Order, lanes: int,
    replays: int = 1,
) -> Linear:  # fmt: skip
    """A linear node with ROW_GROUPS row groups, or with one if one beat holds all rows."""
    groups = min(ROW_GROUPS, len(rows) // lanes)
    return Linear(name, module, projections, source, rows, lanes, groups, replays)


def _to_residual(plan: Plan, name: str, module: str, tensor: str, source: Mantissas) -> Linear:
    """A linear node whose results are added to the residual stream."""
    projection = Projection(tensor, plan.n.model.hidden, plan.n.residual_bits, plan.n.config.residual_frac)
    return Linear(name, module, (projection,), source, plan.residual, plan.lanes)


def _norm(plan: Plan, name: str, module: str, tensor: str, before: Linear) -> Norm:
    """The norm in front of the linear node `before`; its planes pass as often as that node needs them."""
    return Norm(name, module, tensor, plan.n.model.hidden, plan.residual, plan.lanes, before.input.passes)


def _normed(plan: Plan, gain: str) -> Mantissas:
    """The format of vectors that come from the norm with these gains."""
    n, c = plan.n, plan.n.config
    return Mantissas(
        plan.residual, n.norm_exponents, n.norm_in_frac(0), c.act_bits, c.drop_bits, gain, c.rsqrt_bits
    )  # fmt: skip


def _mantissas(plan: Plan, quantize: BlockFloat, frac: int) -> Mantissas:
    """The format of vectors that come from a quantiser. frac: fraction bits of its input."""
    return Mantissas(quantize.order, quantize.exponents, frac, plan.n.config.act_bits, plan.n.config.drop_bits)
