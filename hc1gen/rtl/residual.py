"""The residual stream of a layer, and the skip connections round its two sublayers."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .. import network
from ..network import Plan
from .payloads import tag, tagged
from .replay import ReplayBuffer
from .timing import Step, Walk, clocks
from .types import counter, lanes, saturate
from .wiring import Wiring, wire

ENTRANCE = "residual in"
"""Name of the step in which a token's beats come into a stage, behind the first of them."""


class Residual(wiring.Component):
    """Adds what each sublayer makes of a token to the token: `x + back`, saturated. Holds one token at a time.

    x: tagged beats. inner: what a sublayer gets, a vector replay: for attention the beats of x in the clocks in which
    they are taken, then all of them again; for the MLP the sums, in the clocks in which `back` is taken, then all of
    them again. back: a sublayer's result, `plan.n.residual_bits` per lane. y: the MLP's sums, with x's tag, in the
    clocks in which `back` is taken.

    mlp: which sublayer the token is in; rises before the MLP's vector leaves. tag: of the token inside, until the next
    token's first beat is taken.
    """

    latency = 0
    """Clocks from a beat of `x` to the same beat of `inner`, and from one of `back` to its sum on `inner` or `y`."""
    pace = 1
    """Clocks from one beat to the next, on each of the streams."""
    tag_latency = 1
    """Clocks from a token's first beat of `x` to its `tag`."""
    attention_wait = 1
    """Clocks that attention's first beat of `back` waits until it is taken."""
    recovery = 1
    """Clocks from a token's last beat of `y` until a beat of the next token is taken."""

    def __init__(self, plan: Plan):
        self.plan = plan
        beat = lanes(plan.lanes, plan.n.residual_bits)
        whole = tagged(plan.position_bits, plan.lanes, plan.n.residual_bits)
        super().__init__(
            {
                "x": In(stream.Signature(whole)),
                "inner": Out(stream.Signature(beat)),
                "mlp": Out(1),
                "tag": Out(tag(plan.position_bits)),
                "back": In(stream.Signature(beat)),
                "y": Out(stream.Signature(whole)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits, beats = self.plan.n.residual_bits, len(self.plan.residual) // self.plan.lanes
        m.submodules.replay = replay = ReplayBuffer(self.plan.lanes, bits, beats)
        wiring.connect(m, replay.y, wiring.flipped(self.inner))
        for i in range(self.plan.lanes):
            total = saturate(replay.head[i] + self.back.payload[i], bits)
            m.d.comb += [
                self.y.p.lanes[i].eq(total),
                replay.x.payload[i].eq(Mux(self.mlp, total, self.x.p.lanes[i])),
            ]
        m.d.comb += self.y.p.tag.eq(self.tag)
        with m.If(self.x.valid & self.x.ready):
            m.d.sync += self.tag.eq(self.x.p.tag)
        self._control(m, replay, beats)
        return m

    def _control(self, m: Module, replay: ReplayBuffer, beats: int) -> None:
        """Say a token replay, its sums with attention replay, and give its sums with the MLP."""
        given = Signal()
        _, last = counter(m, beats, given, "beat")
        m.d.comb += [given.eq(self.y.valid & self.y.ready), replay.turn.eq(given)]
        with m.FSM():
            with m.State("TAKE"):
                m.d.comb += [replay.x.valid.eq(self.x.valid), self.x.ready.eq(replay.x.ready)]
                with m.If(replay.done):
                    m.next = "ATTENTION"
            with m.State("ATTENTION"):
                with m.If(self.back.valid):
                    m.d.sync += self.mlp.eq(1)
                    m.next = "ADD"
            with m.State("ADD"):
                m.d.comb += [replay.x.valid.eq(self.back.valid), self.back.ready.eq(replay.x.ready)]
                with m.If(replay.done):
                    m.next = "GIVE"
            with m.State("GIVE"):
                m.d.comb += [self.y.valid.eq(self.back.valid), self.back.ready.eq(self.y.ready)]
                with m.If(given & last):
                    m.d.sync += self.mlp.eq(0)
                    m.next = "TAKE"


@wire.register
def _(node: network.Branch, stage: Wiring) -> None:
    """The skip connections of a stage are one block: a token goes round through its two sublayers and leaves."""
    branches = stage.stage.of(network.Branch)
    if len(branches) != 2:
        raise ValueError(f"{stage.netlist.name}: got {len(branches)} sublayers, expected attention and MLP")
    plan = stage.network.plan
    residual = stage.netlist.find("residual") or stage.place("residual", "residual", plan, lambda: Residual(plan))
    if node is branches[0]:
        stage.sublayer = stage.netlist.net(residual, "mlp")
        stage.position = "position"
        stage.netlist.split(residual, "tag", {"position": stage.position}, rest="unused_tag")
        stage.take(residual, source="inner")
    else:
        stage.at = residual, "inner"


@wire.register
def _(node: network.Residual, stage: Wiring) -> None:
    """What the sublayer gives goes back to the block that `Branch` placed."""
    residual = stage.netlist.placed("residual")
    stage.take(residual, "back")


@clocks.register
def _(node: network.Branch, walk: Walk) -> list[Step]:
    """A sublayer's first beats leave in the clocks in which the residual stream comes."""
    if node is not walk.stage.of(network.Branch)[0]:
        return []
    return [Step(ENTRANCE, (len(node.order) // node.lanes - 1) * Residual.pace)]


@clocks.register
def _(node: network.Residual, walk: Walk) -> list[Step]:
    """The sum leaves in the clocks in which the sublayer's results come; behind attention the first one waits."""
    last = node is walk.stage.of(network.Residual)[-1]
    if last:
        return [Step(f"{node.name} add", Residual.latency, "y")]
    return [Step(f"{node.name} add", Residual.attention_wait + Residual.latency, "residual_inner", 0.5)]
