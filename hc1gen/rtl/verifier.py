"""The verifier: from the target's logits it accepts or rejects the draft's proposal, or chooses a token alone."""

from amaranth.hdl import Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..network import Plan
from ..numeric.numerics import SLOPE_BITS
from ..outcome import Outcome
from .accept import Accept
from .draw import Draw
from .exponentials import Exponentials
from .payloads import chosen_token, drawn_token
from .residual_distribution import ResidualDistribution
from .threefry import RANDOM
from .types import lanes


class Verifier(wiring.Component):
    """Chooses the target's next token from its logits: verifies the draft's proposal, or chooses a token alone.

    At a temperature above 0, the first pass over the exponentials sums them and stores that of the proposal. Then the
    acceptance test runs. After a rejection, two more passes draw a token from the residual distribution.

    Parameters
        plan: the target's plan. The draft has the same lanes, vocabulary and `sample_bits`.
    Ports
        x (in, stream of `plan.lanes` lanes of `logit_bits` bits): the logits in the order of `plan.vocabulary`. Padding
            lanes may hold anything.
        slope (in, SLOPE_BITS bits), greedy (in, 1 bit): the outputs of `Temperature`. They must stand from a vector's
            first beat until its y is taken, and so must `verify`.
        verify (in, 1 bit): the draft was asked for this token, so its proposal is to be verified.
        random (in, stream of `RANDOM`): two random words for each vector, taken in the clock in which y is taken.
        head (in, `drawn_token`), head_valid (in, 1 bit): the draft's record for this token (the proposal, its
            exponential and the sum). If `verify` is high, the block waits for it. It must stand from `head_valid` until
            y is taken.
        read_en (out, 1 bit), read_beat (out): ask for one beat of the draft's exponentials of this token.
        read_data (in, `plan.lanes` lanes of `sample_bits` bits): that beat, `Exponentials.ahead` clocks after
            `read_en`. The same beat of the target's exponentials comes in the same clock.
        y (out, stream of `chosen_token`): the token, its `Outcome`, and the proposal (0 if `verify` is low). If
            `greedy`, y depends on `random` and `head` in the same clock.
        A reset drops the vector.
    Timing
        `full_latency`, `greedy_latency`, `sum_latency`, `drawn_latency`, `accepted_latency` and `rejected_latency`
        count from the last beat of x; `recovery` counts from y to the next vector.
    Golden counterpart
        `hc1gen.golden.chip.verify` if `verify`, else `hc1gen.golden.sampler.draw`. If `greedy`, the token is that of
        `hc1gen.golden.sampler.argmax`.
    Source
        Leviathan, Kalman, Matias 2023, "Fast inference from transformers via speculative decoding".
    """

    full_latency = Exponentials.full_latency
    """Clocks from the last beat of x until `random` and `head_valid` are needed. If they come later, so does y."""
    greedy_latency = full_latency
    """Clocks from the last beat of x to the most likely token on y, accepted or not, if `random` and `head` are valid
    in time."""
    test_turn = 1
    """Clocks from the result of the acceptance test to an accepted token on y."""
    recovery = Exponentials.recovery
    """Clocks from the transfer of y until a beat of the next vector can be taken."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.exponentials = Exponentials(plan)
        bits, sum_bits = plan.n.config.sample_bits, plan.n.sample_sum_bits
        self.accept = Accept(bits, sum_bits, sum_bits)
        self.residual = ResidualDistribution(plan.lanes, bits, sum_bits, sum_bits)
        self.draw = Draw(plan, plan.n.residual_weight_bits, plan.n.residual_total_bits)
        super().__init__(
            {
                "x": In(stream.Signature(lanes(plan.lanes, plan.n.config.logit_bits))),
                "slope": In(SLOPE_BITS),
                "greedy": In(1),
                "verify": In(1),
                "random": In(stream.Signature(RANDOM)),
                "head": In(drawn_token(plan.token_bits, bits, sum_bits)),
                "head_valid": In(1),
                "read_en": Out(1),
                "read_beat": Out(range(max(self.exponentials.beats, 2))),
                "read_data": In(data.ArrayLayout(unsigned(bits), plan.lanes)),
                "y": Out(stream.Signature(chosen_token(plan.token_bits))),
            }
        )

    @property
    def sum_latency(self) -> int:
        """Clocks from the last beat of x until the sum of the exponentials is known.

        Here and in the latencies below, `random` and `head` are valid in time.
        """
        return self.full_latency + self._pass_latency + self.draw.sum_latency

    def drawn_latency(self, beat: int) -> int:
        """Clocks from the last beat of x to a token that the target draws alone, because the draft was not asked.

        beat: the beat of the vocabulary that holds the token.
        """
        return self.sum_latency + self.exponentials.beat_latency(beat) + self.draw.find_latency

    @property
    def accepted_latency(self) -> int:
        """Clocks from the last beat of x to an accepted proposal on y, at a temperature above 0."""
        return self.sum_latency + self.accept.latency + self.test_turn

    def rejected_latency(self, beat: int) -> int:
        """Clocks from the last beat of x to the token that replaces a rejected proposal, at a temperature above 0.

        beat: the beat of the vocabulary that holds the token.
        """
        tested = self.sum_latency + self.accept.latency
        summed = tested + self._pass_latency + self.residual.latency + self.draw.sum_latency
        return summed + self.exponentials.beat_latency(beat) + self.residual.latency + self.draw.find_latency

    @property
    def _pass_latency(self) -> int:
        """Clocks from a replay's pulse to the last beat of exponentials."""
        return self.exponentials.beat_latency(self.exponentials.beats - 1)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.exponentials = exponentials = self.exponentials
        m.submodules.accept = accept = self.accept
        m.submodules.draw = draw = self.draw
        wiring.connect(m, wiring.flipped(self.x), exponentials.x)
        taken, replacing = Signal(), Signal()
        e_p = Signal(self.plan.n.config.sample_bits, reset_less=True)
        z_p = Signal(self.plan.n.sample_sum_bits, reset_less=True)
        m.d.comb += [
            taken.eq(self.y.valid & self.y.ready),
            self.random.ready.eq(taken),
            exponentials.slope.eq(self.slope),
            exponentials.release.eq(taken),
            draw.clear.eq(taken),
            draw.random.eq(self.random.p.draw),
            accept.e_p.eq(e_p),
            accept.z_p.eq(draw.total),
            accept.e_q.eq(self.head.weight),
            accept.z_q.eq(self.head.total),
            accept.random.eq(self.random.p.test),
        ]
        self._catch(m, e_p)
        self._weights(m, replacing, z_p)
        self._control(m, taken, replacing, z_p)
        return m

    def _control(self, m: Module, taken: Value, replacing: Signal, z_p: Signal) -> None:
        """The state machine: one pass over the vector after another. y is valid in the last state of each vector.

        replacing: the proposal was rejected, and the weights are now those of the residual distribution. z_p: the sum
        of the target's exponentials.
        """
        exponentials, accept, draw = self.exponentials, self.accept, self.draw
        m.d.comb += self.y.p.proposal.eq(Mux(self.verify, self.head.token, 0))
        with m.FSM():
            with m.State("logits"):
                begin = exponentials.full & self.random.valid & (~self.verify | self.head_valid)
                m.d.comb += [self.y.valid.eq(begin & self.greedy), exponentials.replay.eq(begin & ~self.greedy)]
                self._choose(m, exponentials.largest, exponentials.largest == self.head.token)
                with m.If(exponentials.replay):
                    m.next = "sum"
            with m.State("sum"):
                m.d.comb += [accept.start.eq(draw.summed), exponentials.replay.eq(draw.summed & ~self.verify)]
                with m.If(draw.summed):
                    m.d.sync += z_p.eq(draw.total)
                    m.next = "test"
                    with m.If(~self.verify):
                        m.next = "scan"
            with m.State("test"):
                m.d.comb += exponentials.replay.eq(accept.done & ~accept.accepted)
                with m.If(accept.done):
                    m.d.sync += replacing.eq(~accept.accepted)
                    m.next = "accepted"
                    with m.If(~accept.accepted):
                        m.next = "sum of what is left"
            with m.State("accepted"):
                m.d.comb += self.y.valid.eq(1)
                self._choose(m, self.head.token, Const(1))
                with m.If(taken):
                    m.next = "logits"
            with m.State("sum of what is left"):
                m.d.comb += exponentials.replay.eq(draw.summed)
                with m.If(draw.summed):
                    m.next = "scan"
            with m.State("scan"):
                m.d.comb += [draw.scan.eq(1), self.y.valid.eq(draw.found)]
                self._choose(m, draw.token, Const(0))
                with m.If(taken):
                    m.d.sync += replacing.eq(0)
                    m.next = "logits"

    def _choose(self, m: Module, token: Value, accepted: Value) -> None:
        """Drives the token and the outcome on y in the current state."""
        verified = Mux(accepted, Outcome.ACCEPTED, Outcome.REJECTED)
        m.d.comb += [self.y.p.token.eq(token), self.y.p.outcome.eq(Mux(self.verify, verified, Outcome.SAMPLED))]

    def _catch(self, m: Module, e_p: Signal) -> None:
        """Stores the target's exponential of the proposal in `e_p` when its beat comes."""
        exponentials, bits = self.exponentials, self.plan.token_bits
        place = Signal(range(-(1 << bits), 1 << bits))
        m.d.comb += place.eq(self.head.token - exponentials.e_beat * self.plan.lanes)
        with m.If(exponentials.e_valid):
            for lane in range(self.plan.lanes):
                with m.If(place == lane):
                    m.d.sync += e_p.eq(exponentials.e[lane])

    def _weights(self, m: Module, replacing: Value, z_p: Value) -> None:
        """Feeds the draw: with the target's exponentials, or with the weights of the residual distribution.

        Beats that are still in `ResidualDistribution` when y is taken never reach the draw, because `replacing` is 0
        from then on.
        """
        m.submodules.residual = residual = self.residual
        exponentials, draw, bits = self.exponentials, self.draw, self.plan.n.residual_weight_bits
        m.d.comb += [
            self.read_en.eq(exponentials.ahead_valid & replacing),
            self.read_beat.eq(exponentials.ahead_beat),
            residual.e_valid.eq(exponentials.e_valid & replacing),
            residual.e_p.eq(exponentials.e),
            residual.e_q.eq(self.read_data),
            residual.z_p.eq(z_p),
            residual.z_q.eq(self.head.total),
            draw.w_valid.eq(Mux(replacing, residual.w_valid, exponentials.e_valid)),
        ]
        beat = exponentials.e_beat
        for stage in range(residual.latency):
            later = Signal.like(beat, name=f"beat{stage}", reset_less=True)
            m.d.sync += later.eq(beat)
            beat = later
        m.d.comb += draw.w_beat.eq(Mux(replacing, beat, exponentials.e_beat))
        for lane in range(self.plan.lanes):
            m.d.comb += draw.w[lane].eq(Mux(replacing, residual.w[lane][:bits], exponentials.e[lane]))
