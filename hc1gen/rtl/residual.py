"""The residual stream of a layer, with the skip connections around its two sublayers, attention and MLP."""

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
"""Name of the step in which all beats of a token but the first enter a stage."""


class Residual(wiring.Component):
    """Keeps the vector of one token and adds the result of each sublayer to it: saturate(x + back).

    The vector goes through attention and comes back; the sums go through the MLP and come back; then the sums of the
    MLP leave. Each sublayer gets its vector in two passes, because its norm needs the exponent of the whole vector
    first.

    Parameters
        plan: lanes, widths and the order of the residual stream.
    Ports
        x (in, stream of `tagged`, `plan.lanes` elements of `plan.n.residual_bits` bits): the vector of a token.
        inner (out, stream of `plan.lanes` elements of `plan.n.residual_bits` bits): the input of a sublayer, in two
            passes. For attention, the first pass is x in the clocks in which x is taken. For the MLP, the first pass is
            the sums in the clocks in which `back` is taken. The second pass comes from the replay buffer.
        mlp (out, 1 bit): 0 while the token is in attention, 1 while it is in the MLP. It rises before the first beat of
            the MLP's input leaves, and falls after the last beat of y.
        tag (out, `tag`): the tag of the token inside. It stands until the first beat of the next token is taken.
        back (in, stream like `inner`): the result of a sublayer, in one pass.
        y (out, stream like x): the sums behind the MLP, with the tag of x, in the clocks in which `back` is taken.
        Reset discards the token inside.
    Timing
        latency, pace, tag_latency, attention_wait, recovery.
    Golden counterpart
        `hc1gen.golden.model.Session`: the saturated sums that `_attention` and `_mlp` return.
    """

    latency = 0
    """Clocks from a beat of `x` to the same beat of `inner`, and from one of `back` to its sum on `inner` or `y`."""
    pace = 1
    """Clocks from one beat to the next, on each of the streams."""
    tag_latency = 1
    """Clocks from a token's first beat of `x` to its `tag`."""
    attention_wait = 1
    """Clocks that the first beat of `back` from attention waits before it is taken: `mlp` has to rise first."""
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
        """The states of a token: replay it, wait for attention, replay the sums, give the sums behind the MLP."""
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
    """One block for both skip connections of a stage. `ValueError` if the stage does not have two sublayers."""
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
    """Lead the result of the sublayer back into the block that `Branch` placed."""
    residual = stage.netlist.placed("residual")
    stage.take(residual, "back")


@clocks.register
def _(node: network.Branch, walk: Walk) -> list[Step]:
    """A beat enters the first sublayer in the clock in which it is taken, so only the pace of the beats counts."""
    if node is not walk.stage.of(network.Branch)[0]:
        return []
    return [Step(ENTRANCE, (len(node.order) // node.lanes - 1) * Residual.pace)]


@clocks.register
def _(node: network.Residual, walk: Walk) -> list[Step]:
    """A sum leaves in the clock in which the result of the sublayer is taken; behind attention the first one waits.

    `inner` has two passes for each sublayer, and the sums are the first pass for the next one.
    """
    sublayers = walk.stage.of(network.Residual)
    if node is sublayers[-1]:
        return [Step(f"{node.name} add", Residual.latency, "y")]
    share = (sublayers.index(node) + 1.5) / len(sublayers)
    return [Step(f"{node.name} add", Residual.attention_wait + Residual.latency, "residual_inner", share)]
