"""One language model as hardware: tokens in, logits out. A chip holds one of these, or two: target and draft."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..quant.quantized import Matrix, QuantizedModel
from .attention import Attention
from .blockfloat import BlockFloat
from .cmvm import Cmvm
from .embedding import Embedding, embedding_bits, embedding_scale_bits
from .layer import Blocks, layer, matrix, norm, twice
from .lm_head import HeadGate
from .netlist import Netlist
from .norm import RmsNorm
from .payloads import EPOCH_BITS, described, tag, tagged, tagged_token
from .plan import Order, Plan
from .requant import Requant, Source
from .residual import Residual
from .rope import Rope
from .swiglu import SwiGlu
from .tile import Tile
from .twice import Twice
from .types import lanes

NORMED = ("qkv", "gate_up", "head")
"""Kinds of tiles behind a norm, whose vectors have a factor."""
PARTS = {"qkv": 2, "gate_up": 2, "head": 2}
"""Kinds of tiles with so many rows that registers for a part of them, and planes that come again, are worth it."""


@dataclass(frozen=True)
class Kind:
    """What the tiles of one kind have in common over all layers."""

    columns: int
    beats: int
    lanes: int
    acc_bits: int
    parts: int


@dataclass(frozen=True, eq=False)
class Transformer:
    """A quantised model and the plan of its hardware, module `plan.name`; `plan.prefix` begins its modules' names."""

    model: QuantizedModel
    plan: Plan

    def tiles(self) -> Iterator[Tile]:
        """Every tile, in the order of the data."""
        for index in range(len(self.model.layers)):
            yield from self._layer_tiles(index)
        yield self._head_tile()

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """Kind of tile → shape; one accumulator width, the widest that any layer needs."""
        kinds: dict[str, Kind] = {}
        for tile in self.tiles():
            widest = max(tile.acc_bits, kinds[tile.kind].acc_bits if tile.kind in kinds else 0)
            kinds[tile.kind] = Kind(len(tile.columns), tile.beats, tile.lanes, widest, tile.parts)
        return kinds

    @cached_property
    def blocks(self) -> Blocks:
        """Every block that Amaranth writes, once."""
        plan, n, c = self.plan, self.plan.n, self.plan.n.config
        beats, pairs = len(plan.residual) // plan.lanes, plan.pair_lanes // 2
        contexts = len(plan.contexts) // plan.lanes
        context = BlockFloat(n.context_bits, plan.lanes, contexts, c.act_bits)
        hidden = BlockFloat(n.hidden_bits, pairs, len(plan.hidden) // pairs, c.act_bits)
        kinds: dict[str, wiring.Component] = {
            "embedding": Embedding(plan, embedding_bits(self.model), embedding_scale_bits(self.model)),
            "residual": Residual(plan),
            "rms_norm_layer": RmsNorm(n, plan.lanes, beats, (self._rounds("qkv"), self._rounds("gate_up"))),
            "rms_norm_head": RmsNorm(n, plan.lanes, beats, (self._rounds("head"),)),
            "quantize_context": context,
            "quantize_hidden": hidden,
            "rope": Rope(plan),
            "attention": Attention(plan),
            "swiglu": SwiGlu(n, pairs),
            "head_gate": HeadGate(plan),
            "twice_head": Twice(plan.lanes, n.residual_bits, beats),
        }
        if plan.kv_words > 1:
            kinds["twice_context"] = Twice(plan.lanes, n.context_bits, contexts)
        for name, kind in self.kinds.items():
            factor_bits = c.rsqrt_bits if name in NORMED else 0
            times = 2 if name == "gate_up" and kind.parts == 1 else 1
            kinds[f"cmvm_{name}"] = Cmvm(
                kind.columns, kind.beats, kind.lanes, kind.acc_bits, c.scale_bits, c.act_bits, factor_bits, times,
                kind.parts,
            )  # fmt: skip
        kinds["requant_layer"] = Requant(
            self._source("qkv", 0, n.norm_exponents),
            self._source("out", 1, context.exponents),
            self._source("gate_up", 2, n.norm_exponents),
            self._source("down", 1, hidden.exponents),
            drop_bits=c.drop_bits,
        )
        kinds["requant_head"] = Requant(self._source("head", 0, n.norm_exponents), drop_bits=c.drop_bits)
        return Blocks(plan.prefix, kinds)

    def _rounds(self, name: str) -> int:
        """How often a tile wants its planes: for each part; the hidden vector, behind gate and up, is wanted twice."""
        parts = self.kinds[name].parts
        return 2 * parts if name == "gate_up" and parts > 1 else parts

    def _source(self, name: str, sink: int, exponents: range) -> Source:
        """What a kind of tile is to its requantiser, its results' sink and the exponents of its vectors given."""
        plan, n, c, kind = self.plan, self.plan.n, self.plan.n.config, self.kinds[name]
        out_bits = {
            "qkv": (c.qkv_bits,) * plan.pair_lanes,
            "out": (n.residual_bits,) * plan.lanes,
            "gate_up": (c.gate_bits, c.up_bits) * (plan.pair_lanes // 2),
            "down": (n.residual_bits,) * plan.lanes,
            "head": (c.logit_bits,) * plan.lanes,
        }
        used = [int(s) for t in self.tiles() if t.kind == name for s in t.shift[t.weights.any(axis=1)]] or [0]
        shifts = range(min(used) - exponents[-1], max(used) - exponents[0] + 1)
        factor_bits = c.rsqrt_bits if name in NORMED else 0
        return Source(sink, kind.acc_bits, c.scale_bits, out_bits[name], shifts, factor_bits)

    def netlists(self) -> Iterator[Netlist]:
        """The layers, then the model itself."""
        layers = [layer(self.plan, self.blocks, index) for index in range(self.plan.n.model.layers)]
        yield from layers
        yield self._netlist(layers)

    @property
    def signature(self) -> wiring.Signature:
        """x: tokens. logits: of the tokens that the head gate lets through; it holds the tag until `done`.
        position: of each such token, once. epoch: the current one."""
        plan = self.plan
        return wiring.Signature(
            {
                "x": In(stream.Signature(tagged_token(plan.token_bits, plan.position_bits))),
                "epoch": In(EPOCH_BITS),
                "logits": Out(stream.Signature(lanes(plan.lanes, plan.n.config.logit_bits))),
                "position": Out(stream.Signature(plan.position_bits)),
                "tag": Out(tag(plan.position_bits)),
                "done": In(1),
            }
        )

    def _netlist(self, layers: list[Netlist]) -> Netlist:
        """Embedding → layers → head gate → final norm → LM head."""
        blocks, prefix = self.blocks, self.plan.prefix
        netlist = Netlist(self.plan.name, _purpose(self.plan), self.signature)
        last = blocks.place(netlist, "embedding", "embedding")
        netlist.stream(netlist.top, last, "x", "x")
        for index, each in enumerate(layers):
            following = netlist.place(f"layer{index}", each.name, each.interface)
            netlist.stream(last, following)
            last = following
        gate = blocks.place(netlist, "head_gate", "head_gate")
        kept = twice(netlist, blocks, "head_twice", "twice_head")
        requant = blocks.place(netlist, "head_requant", "requant_head")
        normed = norm(netlist, blocks, "head_norm", "rms_norm_head", {"final_gain": f"{prefix}final_gain"})
        matrix(netlist, blocks, "head", f"{prefix}head", (normed, "y0"), requant, 0)
        netlist.stream(last, gate)
        netlist.stream(gate, kept, "inner")
        netlist.stream(kept, normed)
        netlist.stream(gate, netlist.top, "position", "position")
        netlist.stream(requant, netlist.top, "y0", "logits")
        gate.nets |= {"tag": "tag", "done": "done", "epoch": "epoch"}
        return netlist

    def _tile(
        self, owner: str, kind: str, matrices: tuple[Matrix, ...], shift: np.ndarray, rows: Order, columns: Order,
        lanes: int,
    ) -> Tile:  # fmt: skip
        c, beats = self.plan.n.config, len(rows) // lanes
        parts = min(PARTS.get(kind, 1), beats)
        return Tile(owner, kind, matrices, shift, rows, columns, lanes, c.act_bits, c.drop_bits, parts)

    def _layer_tiles(self, index: int) -> Iterator[Tile]:
        """The four tiles of a layer."""
        plan, n, w = self.plan, self.plan.n, self.model.layers[index]
        c, name, formats = n.config, f"{plan.prefix}layer{index}", n.formats.layers[index]
        yield self._qkv_tile(name, index)
        shift = w.o.shift(n.attention_in_frac(index), c.residual_frac)
        yield self._tile(name, "out", (w.o,), shift, plan.residual, plan.contexts, plan.lanes)
        in_frac = n.norm_in_frac(w.mlp_gain.frac)
        shift = np.concatenate([w.gate.shift(in_frac, c.gate_frac), w.up.shift(in_frac, formats.up_frac)])
        yield self._tile(name, "gate_up", (w.gate, w.up), shift, plan.gate_up, plan.residual, plan.pair_lanes)
        shift = w.down.shift(n.mlp_in_frac(index), c.residual_frac)
        yield self._tile(name, "down", (w.down,), shift, plan.residual, plan.hidden, plan.lanes)

    def _qkv_tile(self, name: str, index: int) -> Tile:
        """K, V and Q stacked in the order in which attention wants them."""
        plan, n, w = self.plan, self.plan.n, self.model.layers[index]
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
        return self._tile(name, "qkv", (w.k, w.v, w.q), shift, rows, plan.residual, plan.pair_lanes)

    def _head_tile(self) -> Tile:
        """The LM head."""
        plan, n, owner = self.plan, self.plan.n, self.plan.prefix.removesuffix("_")
        shift = self.model.head.shift(n.norm_in_frac(self.model.final_gain.frac), n.formats.logit_frac)
        return self._tile(owner, "head", (self.model.head,), shift, plan.vocabulary, plan.residual, plan.lanes)


def _purpose(plan: Plan) -> str:
    """What someone who opens the module wants to know first."""
    model, beat = plan.n.model, tagged(plan.position_bits, plan.lanes, plan.n.residual_bits)
    lines = [
        "a language model: tokens in, logits out.",
        f"{model.layers} layers, {model.hidden} wide, MLP {model.intermediate}, {model.heads} heads of "
        f"{model.head_dim}, {model.kv_heads} KV heads, vocabulary {model.vocab}.",
        f"{plan.n.context} positions, {plan.lanes} lanes, {plan.kv_heads_per_clock} KV heads per clock.",
        f"Between layers, payload = {described(beat)}",
    ]
    return "\n".join(lines)
