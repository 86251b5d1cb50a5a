"""A vector that is needed twice: for its exponent, and to be cut to it."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .. import network
from .timing import Step, Walk, clocks
from .types import counter, lanes
from .wiring import Wiring, wire


class ReplayBuffer(wiring.Component):
    """Says each vector of `beats` beats twice: as it comes (y is valid in the clock in which x is), then from memory.

    done: the last beat of the second time is taken in this clock. From then until x is taken again, `head` is the
    vector's first beat, and each `turn` brings the next one there.
    """

    latency = 0
    """Clocks from a beat of x to the same beat of y, the first time."""
    pace = 1
    """Clocks from one beat of y to the next, also from the last beat of the first time to the first of the second."""
    recovery = 1
    """Clocks from a vector's last beat of y until a beat of the next vector is taken."""

    def __init__(self, count: int, bits: int, beats: int):
        self.beats = beats
        beat = lanes(count, bits)
        super().__init__(
            {
                "x": In(stream.Signature(beat)),
                "y": Out(stream.Signature(beat)),
                "done": Out(1),
                "head": Out(beat),
                "turn": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = len(self.head.as_value())
        held = Signal(self.beats * width, reset_less=True)  # shifts; the beat wanted next is in the low bits
        again, given = Signal(), Signal()
        _, last = counter(m, self.beats, given, "beat_index")
        m.d.comb += [
            self.head.as_value().eq(held[:width]),
            self.x.ready.eq(~again & self.y.ready),
            self.y.valid.eq(again | self.x.valid),
            self.y.payload.as_value().eq(Mux(again, held[:width], self.x.payload.as_value())),
            given.eq(self.y.valid & self.y.ready),
            self.done.eq(given & last & again),
        ]
        with m.If(given & last):
            m.d.sync += again.eq(~again)
        with m.If(given | self.turn):
            m.d.sync += held.eq(Cat(held[width:], self.y.payload.as_value()))
        return m


@wire.register
def _(node: network.Replay, stage: Wiring) -> None:
    """A buffer that says a vector twice, and nothing else of what it can."""
    beats = len(node.order) // node.lanes
    block = stage.place(node.name, f"replay_{node.kind}", node, lambda: ReplayBuffer(node.lanes, node.bits, beats))
    block.nets["turn"] = "1'b0"
    stage.netlist.open(block, "head")
    stage.netlist.open(block, "done")
    stage.take(block)


@clocks.register
def _(node: network.Replay, walk: Walk) -> list[Step]:
    """The first pass goes through."""
    return [Step(node.name, ReplayBuffer.latency, f"{node.name}_y", 0.5)]
