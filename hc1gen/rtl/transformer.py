"""One language model as hardware: tokens in, logits out. A chip holds one model, or two: a target and a draft."""

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
"""These files are imported because each of them registers how its node is wired, or how its tables are written."""
Port = tuple[Placed, str]
"""An output: an instance, and the name of its port."""


@dataclass(frozen=True, eq=False)
class Transformer:
    """A quantised model with its network, as the module `plan.name`.

    Parameters
        model: the quantised tensors and their formats.
        network: nodes and plan. `plan.prefix` is the beginning of the names of all modules in this one.
    """

    model: QuantizedModel
    network: Network

    @property
    def plan(self) -> Plan:
        """The plan of the network."""
        return self.network.plan

    def tables(self) -> Iterable[tuple[str, File]]:
        """Tensor and file of every constant table that is not a tile, in the order of the data."""
        for node in self.network.nodes:
            for file in tables(node, self.model, self.plan):
                yield node.tensors[0], file

    def tiles(self) -> Iterable[Tile]:
        """The tile of every linear node, in the order of the data; each is made when it is asked for."""
        return (Tile.of(node, self.model, self.kinds[node.name].acc_bits) for node in self.network.of(Linear))

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """Name of a linear node → what the tiles of that name have in common."""
        return linear.kinds_of(self.network, self.model)

    @property
    def blocks(self) -> Blocks:
        """Every kind of block that Amaranth writes, once."""
        return self._wired[0]

    @property
    def netlists(self) -> list[Netlist]:
        """The modules of netlists: the stages that are modules of their own, then the model."""
        return self._wired[1]

    @cached_property
    def _wired(self) -> tuple[Blocks, list[Netlist]]:
        """`blocks` and `netlists`: all nodes, wired stage by stage."""
        blocks, stages = Blocks(self.plan.prefix), []
        top = Netlist(self.plan.name, _purpose(self.plan), self.signature)
        shifts = linear.shifts_of(self.network, self.model)

        def wired(stage: Stage, netlist: Netlist, at: Port) -> Port:
            """Wire the nodes of a stage behind the output `at`; returns the output of the last one."""
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
        """The ports of a stage: x and y are the residual stream in front of it and behind it."""
        residual_stream = stream.Signature(tagged(self.plan.position_bits, self.plan.lanes, self.plan.n.residual_bits))
        return wiring.Signature({"x": In(residual_stream), "y": Out(residual_stream)})

    @property
    def signature(self) -> wiring.Signature:
        """The ports of the model, besides `clk` and `rst`.

        Ports
            x (in, stream of `tagged_token`): the tokens.
            epoch (in, EPOCH_BITS bits): the current epoch.
            logits (out, stream of `plan.lanes` elements of `logit_bits` bits): the logits of each token that the head
                gate lets pass, in the order `plan.vocabulary`.
            position (out, stream of `plan.position_bits` bits): the position of each such token, once.
            tag (out, `tag`): the tag of that token. It stands until `done`.
            done (in, 1 bit): the successor of the token has been chosen.
        """
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
    """The comment at the top of the module: what it is, its shape, and the fields of the words between layers."""
    model, beat = plan.n.model, tagged(plan.position_bits, plan.lanes, plan.n.residual_bits)
    lines = [
        "a language model: tokens in, logits out.",
        f"{model.layers} layers, {model.hidden} wide, MLP {model.intermediate}, {model.heads} heads of "
        f"{model.head_dim}, {model.kv_heads} KV heads, vocabulary {model.vocab}.",
        f"{plan.n.context} positions, {plan.lanes} lanes, {plan.kv_heads_per_clock} KV heads per clock.",
        f"Between layers, payload = {described(beat)}",
    ]
    return "\n".join(lines)
