"""The chip: sequencer → embedding → layers → final norm → LM head → sampler → sequencer."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from amaranth.lib import wiring

from ..quant.numerics import Numerics
from ..quant.quantized import QuantizedLayer, QuantizedModel
from .attention import Attention
from .blockfloat import BlockFloat
from .cmvm import Cmvm
from .embedding import Embedding, embedding_scale_bits
from .layer import Blocks, layer, normed_matrix
from .lm_head import HeadGate
from .netlist import Netlist, Placed
from .norm import RmsNorm, k_bits
from .plan import Plan
from .requant import Requant
from .residual import Residual
from .rope import Rope
from .sampler import Argmax
from .sequencer import Sequencer
from .swiglu import SwiGlu
from .tile import Tile
from .types import EPOCH_BITS


def layer_tiles(model: QuantizedModel, plan: Plan, index: int) -> Iterator[Tile]:
    """The four tiles of a layer."""
    n, w = plan.n, model.layers[index]
    c, name = n.config, f"layer{index}"
    yield _qkv_tile(n, w, plan, index)
    shift = w.o.shift(n.attention_in_frac(index), c.residual_frac)
    yield Tile(f"{name}_out", (w.o,), shift, plan.residual, plan.contexts, plan.lanes, c.act_bits)
    in_frac = n.norm_in_frac(w.mlp_gain.frac)
    shift = np.concatenate([w.gate.shift(in_frac, c.gate_frac), w.up.shift(in_frac, n.formats.layers[index].up_frac)])
    yield Tile(
        f"{name}_gate_up", (w.gate, w.up), shift, plan.gate_up, plan.residual, plan.pair_lanes, c.act_bits
    )  # fmt: skip
    shift = w.down.shift(n.mlp_in_frac(index), c.residual_frac)
    yield Tile(f"{name}_down", (w.down,), shift, plan.residual, plan.hidden, plan.lanes, c.act_bits)


def _qkv_tile(n: Numerics, w: QuantizedLayer, plan: Plan, index: int) -> Tile:
    """K, V and Q stacked in the order in which attention wants them."""
    c, in_frac = n.config, n.norm_in_frac(w.attention_gain.frac)
    before_rope = c.qkv_bits - c.kv_bits
    shift = np.concatenate(
        [
            w.k.shift(in_frac, n.key_fracs(index) + before_rope),
            w.v.shift(in_frac, n.formats.layers[index].value_frac + before_rope),
            w.q.shift(in_frac, n.query_fracs(index) + c.qkv_bits - c.query_bits),
        ]
    )
    first_v = len(w.k.weights)
    first_q = first_v + len(w.v.weights)
    rows = [
        None if row is None else first + row
        for first, order in ((0, plan.keys), (first_v, plan.values), (first_q, plan.queries))
        for row in order
    ]
    return Tile(f"layer{index}_qkv", (w.k, w.v, w.q), shift, rows, plan.residual, plan.pair_lanes, c.act_bits)


def head_tile(model: QuantizedModel, plan: Plan) -> Tile:
    """The LM head."""
    n = plan.n
    shift = model.head.shift(n.norm_in_frac(model.final_gain.frac), n.formats.logit_frac)
    return Tile("head", (model.head,), shift, plan.vocabulary, plan.residual, plan.lanes, n.config.act_bits)


def tiles(model: QuantizedModel, plan: Plan) -> Iterator[Tile]:
    """Every tile of the chip, in the order of the data."""
    for index in range(len(model.layers)):
        yield from layer_tiles(model, plan, index)
    yield head_tile(model, plan)


@dataclass(frozen=True)
class Kind:
    """What the tiles of one kind have in common over all layers."""

    columns: int
    beats: int
    lanes: int
    acc_bits: int


def kind_of(tile: Tile) -> str:
    """qkv, out, gate_up, down or head."""
    return tile.name.split("_", 1)[-1]


def tile_kinds(model: QuantizedModel, plan: Plan) -> dict[str, Kind]:
    """Kind → shape; one accumulator width, the widest that any layer needs."""
    kinds: dict[str, Kind] = {}
    for tile in tiles(model, plan):
        name = kind_of(tile)
        widest = max(tile.acc_bits, kinds[name].acc_bits if name in kinds else 0)
        kinds[name] = Kind(len(tile.columns), tile.beats, tile.lanes, widest)
    return kinds


def chip_blocks(model: QuantizedModel, plan: Plan) -> Blocks:
    """Every block of the chip once, by module name."""
    n, c = plan.n, plan.n.config
    beats, pairs = len(plan.residual) // plan.lanes, plan.pair_lanes // 2
    blocks: Blocks = {
        "sequencer": Sequencer(plan, n.model.eos),
        "embedding": Embedding(plan, embedding_scale_bits(model)),
        "residual": Residual(plan),
        "rms_norm": RmsNorm(n, plan.lanes, beats),
        "quantize_norm": BlockFloat(n.product_bits, plan.lanes, beats, c.act_bits, c.rsqrt_bits, k_bits(n)),
        "quantize_context": BlockFloat(n.context_bits, plan.lanes, len(plan.contexts) // plan.lanes, c.act_bits),
        "quantize_hidden": BlockFloat(n.hidden_bits, pairs, len(plan.hidden) // pairs, c.act_bits),
        "rope": Rope(plan),
        "attention": Attention(plan),
        "swiglu": SwiGlu(n, pairs),
        "head_gate": HeadGate(plan),
        "argmax": Argmax(plan),
    }
    out_bits = {
        "qkv": (c.qkv_bits,) * plan.pair_lanes,
        "out": (n.residual_bits,) * plan.lanes,
        "gate_up": (c.gate_bits, c.up_bits) * pairs,
        "down": (n.residual_bits,) * plan.lanes,
        "head": (c.logit_bits,) * plan.lanes,
    }
    for name, kind in tile_kinds(model, plan).items():
        blocks[f"cmvm_{name}"] = Cmvm(kind.columns, kind.beats, kind.lanes, kind.acc_bits, c.scale_bits, c.act_bits)
        blocks[f"requant_{name}"] = Requant(kind.acc_bits, c.scale_bits, out_bits[name])
    return blocks


def chip(plan: Plan, blocks: Blocks) -> Netlist:
    """The top module. Ports prompt, limit, out, clocks: as in `Sequencer`."""
    ports = blocks["sequencer"].signature.members
    signature = wiring.Signature({name: ports[name] for name in ("prompt", "limit", "out", "clocks")})
    netlist = Netlist("chip", _purpose(plan), signature)
    sequencer = netlist.place("sequencer", "sequencer", blocks["sequencer"])
    embedding = netlist.place("embedding", "embedding", blocks["embedding"])
    netlist.stream(netlist.top, sequencer, "prompt", "prompt")
    netlist.stream(sequencer, netlist.top, "out", "out")
    sequencer.nets |= {"limit": "limit", "clocks": "clocks"}
    netlist.stream(sequencer, embedding, "issue")
    last = embedding
    for index in range(plan.n.model.layers):
        following = netlist.place(f"layer{index}", f"layer{index}", layer(plan, blocks, index).interface)
        netlist.stream(last, following)
        last = following
    _head(netlist, blocks, last, sequencer)
    return netlist


def _purpose(plan: Plan) -> str:
    """What someone who opens the top module wants to know first."""
    model, token, position = plan.n.model, f"token[{plan.token_bits - 1}:0]", f"position[{plan.position_bits - 1}:0]"
    lines = [
        "prompt tokens in, generated tokens out.",
        f"{model.layers} layers, {model.hidden} wide, MLP {model.intermediate}, {model.heads} heads of "
        f"{model.head_dim}, {model.kv_heads} KV heads, vocabulary {model.vocab}.",
        f"{plan.n.context} positions, {plan.lanes} lanes, {plan.kv_heads_per_clock} KV heads per clock.",
        f"prompt__payload = {{last, {token}}}",
        f"out__payload = {{reason[1:0], last, {token}}}, reason 1 end of text, 2 limit, 3 context full",
        "limit: most tokens to generate for a prompt, 0 for no limit; clocks: what the token on `out` took",
        f"Between layers, payload = {{predict, epoch[{EPOCH_BITS - 1}:0], sequence, {position}, "
        f"{plan.lanes} lanes of {plan.n.residual_bits} bits}}",
    ]
    return "\n".join(lines)


def _head(netlist: Netlist, blocks: Blocks, last: Placed, sequencer: Placed) -> None:
    """Final norm, LM head and sampler."""
    gate = netlist.place("head_gate", "head_gate", blocks["head_gate"])
    norm, head = normed_matrix(netlist, blocks, "head", "head", "final_gain")
    argmax = netlist.place("argmax", "argmax", blocks["argmax"])
    netlist.stream(last, gate)
    netlist.stream(gate, norm, "inner")
    netlist.stream(head, argmax)
    token, tag = netlist.net(argmax, "y__payload"), netlist.net(gate, "tag")
    valid, ready = netlist.net(argmax, "y__valid"), netlist.net(sequencer, "sampled__ready")
    argmax.nets["y__ready"] = ready
    sequencer.nets |= {"sampled__payload": f"{{{tag}, {token}}}", "sampled__valid": valid}
    gate.nets["done"] = f"{valid} & {ready}"
