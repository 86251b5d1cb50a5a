"""The replay buffer: keeps a vector for its consumer, which needs it in two passes."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .. import network
from .timing import Step, Walk, clocks
from .types import counter, lanes
from .wiring import Wiring, wire


class ReplayBuffer(wiring.Component):
    """Gives each vector in two passes: first as its beats come in, then again from its registers.

    Parameters
        count: lanes, elements of a beat.
        bits: signed width of an element.
        beats: beats of a vector.
    Ports
        x (in, stream of `count` elements of `bits` bits): a vector. A beat is taken in the clock in which y takes it
            over; no beat is taken during the second pass.
        y (out, stream like x): the vector, in two passes.
        done (out, 1 bit): the last beat of the second pass is taken in this clock.
        head (out, `count` elements of `bits` bits): from the clock after `done` until a beat of x is taken, the first
            beat of the vector.
        turn (in, 1 bit): move the next beat of the vector to `head`.
        Reset discards the vector inside.
    Timing
        latency, pace, recovery.
    """

    latency = 0
    """Clocks from a beat of x to the same beat of y, in the first pass."""
    pace = 1
    """Clocks from one beat of y to the next, also from the last beat of the first pass to the first of the second."""
    recovery = 1
    """Clocks from the last beat of a vector's second pass until a beat of the next vector is taken."""

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
        held = Signal(self.beats * width, reset_less=True)  # a shift register; the next beat of y is in the low bits
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
    """One block, of which only the two passes are used: `head`, `done` and `turn` are not."""
    beats = len(node.order) // node.lanes
    block = stage.place(node.name, f"replay_{node.kind}", node, lambda: ReplayBuffer(node.lanes, node.bits, beats))
    block.nets["turn"] = "1'b0"
    stage.netlist.open(block, "head")
    stage.netlist.open(block, "done")
    stage.take(block)


@clocks.register
def _(node: network.Replay, walk: Walk) -> list[Step]:
    """A beat of the first pass leaves in the clock in which it comes in."""
    return [Step(node.name, ReplayBuffer.latency, f"{node.name}_y", 0.5)]
