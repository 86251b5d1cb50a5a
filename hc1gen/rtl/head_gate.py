"""The gate in front of the LM head: it lets only those tokens pass whose successor is wanted."""

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
    """Lets tokens with `predict` set and the current epoch pass to the LM head, one at a time; drops all others.

    The gate decides about a token when its first beat could pass, and the decision holds for all beats of the token,
    even if `epoch` changes. While a token is inside, the next token that could pass waits; it is dropped as soon as its
    epoch is no longer the current one.

    Parameters
        plan: lanes, widths and the order of the residual stream.
    Ports
        x (in, stream of `tagged`, `plan.lanes` elements of `plan.n.residual_bits` bits): the vector of a token behind
            the last layer.
        epoch (in, EPOCH_BITS bits): the current epoch.
        inner (out, stream of `plan.lanes` elements of `plan.n.residual_bits` bits): the beats of tokens that pass, on
            their way to the final norm.
        tag (out, `tag`): the tag of the token inside. It stands until the first beat of the next token that passes.
        position (out, stream of `plan.position_bits` bits): the position in that tag, once for each token that passes.
            It must be taken before `done`.
        done (in, 1 bit): the sampler has chosen the successor of the token inside, so the next token may pass.
        Reset discards the token inside.
    Timing
        latency, pace, tag_latency, position_latency.
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
        passing, dropping = Signal(), Signal()  # the decision about the token on x, once it is made
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
    """One block; its tag and position tell the user of the model which token the logits belong to."""
    netlist, plan = stage.netlist, stage.network.plan
    gate = stage.place(node.name, "head_gate", plan, lambda: HeadGate(plan))
    gate.nets |= {port: port for port in ("tag", "done", "epoch")}
    netlist.stream(gate, netlist.top, "position", "position")
    stage.take(gate, source="inner")


@clocks.register
def _(node: network.HeadGate, walk: Walk) -> list[Step]:
    """A beat leaves in the clock in which it comes in."""
    return [Step(node.name, HeadGate.latency, f"{node.name}_inner")]
