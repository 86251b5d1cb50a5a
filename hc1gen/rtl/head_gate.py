"""The gate in front of the LM head: only tokens whose successor is wanted go through it."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .. import network
from ..network import Plan
from .payloads import EPOCH_BITS, tag, tagged
from .timing import Step, Walk, clocks
from .types import counter, lanes
from .wiring import Wiring, wire


class HeadGate(wiring.Component):
    """Passes tokens on that have `predict` 1 and the current epoch, one at a time; swallows all others.

    epoch: the current one. A token's fate is decided when its first beat could pass, and stays the same for all its
    beats, whatever becomes of `epoch`. While a token is inside, the next one that could pass waits, and is swallowed
    as soon as its epoch is over.
    inner: beats on their way to the final norm. tag: of the token inside, until the next token's. position: the tag's,
    once for each token that passes; taken before `done`. done: the token inside has been sampled.
    """

    latency = 0
    """Clocks from a beat of `x` to the same beat of `inner`."""
    pace = 1
    """Clocks from one beat to the next."""
    tag_latency = 1
    """Clocks from the first beat of a token that passes to its `tag`."""
    position_latency = 1
    """Clocks from the last beat of a token that passes to its `position`."""

    def __init__(self, plan: Plan):
        self.plan = plan
        super().__init__(
            {
                "x": In(stream.Signature(tagged(plan.position_bits, plan.lanes, plan.n.residual_bits))),
                "epoch": In(EPOCH_BITS),
                "inner": Out(stream.Signature(lanes(plan.lanes, plan.n.residual_bits))),
                "tag": Out(tag(plan.position_bits)),
                "position": Out(stream.Signature(plan.position_bits)),
                "done": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        passing, dropping = Signal(), Signal()  # the fate of the token whose beat comes next, once it is decided
        busy, wanted, passes, drops, taken = Signal(), Signal(), Signal(), Signal(), Signal()
        _, last = counter(m, len(self.plan.residual) // self.plan.lanes, taken, "beat_index")
        undecided = ~passing & ~dropping
        m.d.comb += [
            wanted.eq(self.x.p.tag.predict & (self.x.p.tag.epoch == self.epoch)),
            passes.eq(passing | undecided & wanted & ~busy),
            drops.eq(dropping | undecided & ~wanted),
            self.inner.payload.eq(self.x.p.lanes),
            self.inner.valid.eq(self.x.valid & passes),
            self.x.ready.eq(drops | passes & self.inner.ready),
            taken.eq(self.x.valid & self.x.ready),
            self.position.payload.eq(self.tag.position),
        ]
        with m.If(self.position.ready):
            m.d.sync += self.position.valid.eq(0)
        with m.If(self.x.valid):
            ends = taken & last
            m.d.sync += [passing.eq(passes & ~ends), dropping.eq(drops & ~ends)]
        with m.If(taken & passes):
            m.d.sync += [self.tag.eq(self.x.p.tag), busy.eq(last), self.position.valid.eq(last)]
        with m.If(self.done):
            m.d.sync += busy.eq(0)
        return m


@wire.register
def _(node: network.HeadGate, stage: Wiring) -> None:
    """The gate tells the model's user which token's logits come."""
    netlist, plan = stage.netlist, stage.network.plan
    gate = stage.place(node.name, "head_gate", plan, lambda: HeadGate(plan))
    gate.nets |= {port: port for port in ("tag", "done", "epoch")}
    netlist.stream(gate, netlist.top, "position", "position")
    stage.take(gate, source="inner")


@clocks.register
def _(node: network.HeadGate, walk: Walk) -> list[Step]:
    """The token goes through."""
    return [Step(node.name, HeadGate.latency, f"{node.name}_inner")]
