"""The sampler of a model: it chooses the next token from the logits, either the most likely token or a random draw."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..network import Plan
from ..numeric.numerics import RANDOM_BITS, SLOPE_BITS
from .draw import Draw
from .exponentials import Exponentials
from .payloads import drawn_token
from .types import lanes


class Sampler(wiring.Component):
    """Chooses the next token from a vector of logits: the most likely token, or a random draw by probability.

    A draw replays the vector twice: the first replay sums the exponentials, the second one finds the drawn token.

    Parameters
        plan: gives the lanes, the vocabulary and the widths.
    Ports
        x (in, stream of `plan.lanes` lanes of `logit_bits` bits): the logits, as in `Exponentials`.
        slope (in, SLOPE_BITS bits), greedy (in, 1 bit): the outputs of `Temperature`. If they change while a vector is
            inside, the token of this vector has no meaning, but the block does not hang.
        random (in, stream of RANDOM_BITS bits): one random word for every vector, greedy or not. It is taken in the
            clock in which the vector's y is taken.
        y (out, stream of `drawn_token`): the token, its exponential (`weight`) and the sum of all exponentials
            (`total`). The last two have no meaning if `greedy`.
        e (out, `plan.lanes` lanes of `sample_bits` bits), e_valid (out, 1 bit), e_beat (out): while `e_valid` is high,
            `e` holds the exponentials of beat `e_beat`. Unless `greedy`, every beat of a vector comes exactly once, and
            before y.
        A reset drops the vector.
    Timing
        `full_latency`, `greedy_latency`, `sum_latency` and `drawn_latency` count from the last beat of x; `recovery`
        counts from y to the next vector.
    Golden counterpart
        `hc1gen.golden.sampler.argmax` if `greedy`, else `draw` of `exponentials` in the same file.
    """

    full_latency = Exponentials.full_latency
    """Clocks from the last beat of x until `random` is needed. If `random` comes later, all that follows is later."""
    greedy_latency = full_latency
    """Clocks from the last beat of x to the most likely token on y, if `random` is valid by then."""
    recovery = Exponentials.recovery
    """Clocks from the transfer of y until a beat of the next vector can be taken."""

    def __init__(self, plan: Plan):
        self.plan = plan
        e_bits = plan.n.config.sample_bits
        self.exponentials = Exponentials(plan)
        self.draw = Draw(plan, e_bits, plan.n.sample_sum_bits)
        assert self.exponentials.latency >= self.draw.scale_latency
        super().__init__(
            {
                "x": In(stream.Signature(lanes(plan.lanes, plan.n.config.logit_bits))),
                "slope": In(SLOPE_BITS),
                "greedy": In(1),
                "random": In(stream.Signature(RANDOM_BITS)),
                "y": Out(stream.Signature(drawn_token(plan.token_bits, e_bits, plan.n.sample_sum_bits))),
                "e": Out(data.ArrayLayout(unsigned(e_bits), plan.lanes)),
                "e_valid": Out(1),
                "e_beat": Out(range(max(self.exponentials.beats, 2))),
            }
        )

    @property
    def sum_latency(self) -> int:
        """Clocks from the last beat of x until the sum of the exponentials is known, if `random` is valid in time."""
        last = self.exponentials.beats - 1
        return self.full_latency + self.exponentials.beat_latency(last) + self.draw.sum_latency

    def drawn_latency(self, beat: int) -> int:
        """Clocks from the last beat of x to a drawn token on y, if `random` is valid in time.

        beat: the beat of the vocabulary that holds the token.
        """
        return self.sum_latency + self.exponentials.beat_latency(beat) + self.draw.find_latency

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.exponentials, m.submodules.draw = exponentials, draw = self.exponentials, self.draw
        wiring.connect(m, wiring.flipped(self.x), exponentials.x)
        greedy, ready, scan, leave = Signal(), Signal(), Signal(), Signal()
        with m.If(~exponentials.full):
            m.d.sync += greedy.eq(self.greedy)  # held: a change of the temperature must not make a valid y invalid
        m.d.comb += [
            ready.eq(exponentials.full & self.random.valid),
            leave.eq(self.y.valid & self.y.ready),
            self.y.valid.eq(ready & (greedy | draw.found)),
            self.y.p.token.eq(Mux(greedy, exponentials.largest, draw.token)),
            self.y.p.weight.eq(draw.weight),
            self.y.p.total.eq(draw.total),
            self.random.ready.eq(leave),
            exponentials.slope.eq(self.slope),
            exponentials.release.eq(leave),
            draw.w.eq(exponentials.e),
            draw.w_valid.eq(exponentials.e_valid),
            draw.w_beat.eq(exponentials.e_beat),
            draw.scan.eq(scan),
            draw.random.eq(self.random.payload),
            draw.clear.eq(leave),
            self.e.eq(exponentials.e),
            self.e_valid.eq(exponentials.e_valid & ~scan),
            self.e_beat.eq(exponentials.e_beat),
        ]
        with m.FSM():
            with m.State("LOGITS"):
                with m.If(ready & ~greedy):
                    m.d.comb += exponentials.replay.eq(1)
                    m.next = "SUM"
            with m.State("SUM"):
                with m.If(draw.summed):
                    m.d.comb += exponentials.replay.eq(1)
                    m.next = "SCAN"
            with m.State("SCAN"):
                m.d.comb += scan.eq(1)
                with m.If(leave):
                    m.next = "LOGITS"
        return m
