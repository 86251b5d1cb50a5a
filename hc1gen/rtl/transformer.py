"""One language model as hardware: tokens in, logits out. A chip holds one of these, or two: target and draft."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..network import Linear, Network, Plan, Stage
from ..quant.quantized import QuantizedModel
from . import attention, blockfloat, embedding, gain, head_gate, linear, norm, replay, residual, rope, swiglu
from .netlist import Netlist, Placed
from .payloads import EPOCH_BITS, described, tag, tagged, tagged_token
from .tiles import File, Tile
from .types import lanes
from .wiring import Blocks, Kind, Wiring, tables, wire

BLOCK_FILES = (attention, blockfloat, embedding, gain, linear, head_gate, norm, residual, rope, swiglu, replay)
"""Imported so that each registers how its node is wired, or its tables are written."""
Port = tuple[Placed, str]
"""An output: instance and port."""


@dataclass(frozen=True, eq=False)
class Transformer:
    """A quantised model on its network, module `plan.name`; `plan.prefix` begins the names of its modules."""

    model: QuantizedModel
    network: Network

    @property
    def plan(self) -> Plan:
        """The choices behind the network."""
        return self.network.plan

    def tables(self) -> Iterable[tuple[str, File]]:
        """The tensor and the file of every constant table that is no tile, in the order of the data."""
        for node in self.network.nodes:
            for file in tables(node, self.model, self.plan):
                yield node.tensors[0], file

    def tiles(self) -> Iterable[Tile]:
        """The tile of every linear node, in the order of the data, made one at a time."""
        return (Tile.of(node, self.model, self.kinds[node.name].acc_bits) for node in self.network.of(Linear))

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """Name of a linear node → what the tiles of that name share."""
        return linear.kinds_of(self.network, self.model)

    @property
    def blocks(self) -> Blocks:
        """Every block that Amaranth writes, once."""
        return self._wired[0]

    @property
    def netlists(self) -> list[Netlist]:
        """The stages that are modules of their own, then the model itself."""
        return self._wired[1]

    @cached_property
    def _wired(self) -> tuple[Blocks, list[Netlist]]:
        """Every node wired, stage by stage."""
        blocks, stages = Blocks(self.plan.prefix), []
        top = Netlist(self.plan.name, _purpose(self.plan), self.signature)
        shifts = linear.shifts_of(self.network, self.model)

        def wired(stage: Stage, netlist: Netlist, at: Port) -> Port:
            """A stage's nodes, from one output to another."""
            made = Wiring(self.network, self.model, stage, netlist, blocks, self.kinds, shifts, at)
            for node in stage.nodes:
                wire(node, made)
            return made.at

        at: Port = top.top, "x"
        for stage in self.network.stages:
            if stage.purpose is None:
                at = wired(stage, top, at)
                continue
            inner = Netlist(self.plan.prefix + stage.name, stage.purpose, self._stage_signature)
            end, port = wired(stage, inner, (inner.top, "x"))
            inner.stream(end, inner.top, port, "y")
            placed = top.place(stage.name, inner.name, inner.interface)
            top.stream(at[0], placed, at[1])
            at = placed, "y"
            stages.append(inner)
        top.stream(at[0], top.top, at[1], "logits")
        return blocks, [*stages, top]

    @property
    def _stage_signature(self) -> wiring.Signature:
        """x, y: the residual stream in front of a stage and behind it."""
        residual_stream = stream.Signature(tagged(self.plan.position_bits, self.plan.lanes, self.plan.n.residual_bits))
        return wiring.Signature({"x": In(residual_stream), "y": Out(residual_stream)})

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
