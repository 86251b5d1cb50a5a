"""The hardware of the new node, and how it is wired."""

from amaranth.hdl import Array, Const, Module, Mux, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from example_node.clip_node import Clip
from hc1gen.rtl.timing import Step, Walk, clocks
from hc1gen.rtl.types import Pipeline, counter, lanes
from hc1gen.rtl.wiring import Wiring, wire


class ClipBlock(wiring.Component):
    """`clip_golden.clip`, beat by beat; padding lanes are 0."""

    latency = 1
    """Clocks from a beat of x to the same beat of y."""
    pace = 1
    """Clocks from one beat to the next."""

    def __init__(self, node: Clip):
        self.node = node
        beat = lanes(node.lanes, node.bits)
        super().__init__({"x": In(stream.Signature(beat)), "y": Out(stream.Signature(beat))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        node, shape = self.node, signed(self.node.bits)
        pipe = Pipeline(m, self.x, self.y, self.latency)
        beat, _ = counter(m, len(node.order) // node.lanes, pipe.go & self.x.valid, "beat_index")
        limits = [0 if index is None else node.limits[index] for index in node.order]
        for lane in range(node.lanes):
            x = self.x.payload[lane]
            limit = Array(Const(each, shape) for each in limits[lane :: node.lanes])[beat]
            with m.If(pipe.go):
                m.d.sync += self.y.payload[lane].eq(Mux(x > limit, limit, Mux(x < -limit, -limit, x)))
        return m


@wire.register
def _(node: Clip, stage: Wiring) -> None:
    """One block a layer: the limits are in the formats of the layer."""
    stage.take(stage.place(node.name, f"clip_{stage.stage.name}", node, lambda: ClipBlock(node)))


@clocks.register
def _(node: Clip, walk: Walk) -> list[Step]:
    """A beat passes in one clock."""
    return [Step(node.name, ClipBlock.latency, f"{node.name}_y")]
