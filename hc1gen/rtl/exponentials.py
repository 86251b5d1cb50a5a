"""A vector of logits, kept: the place of the largest, and integer exponentials of all as often as they are wanted."""

from typing import NamedTuple

from amaranth.hdl import ClockSignal, Const, Instance, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..network import Plan
from ..numeric.numerics import SLOPE_BITS, bits_for
from .memory import Memory
from .types import Lookup, counter, lanes, round_shift

LOGIT_BUFFER = "logit_buffer"


def memories(plan: Plan) -> list[Memory]:
    """The memory that `Exponentials` instantiates."""
    name = plan.prefix + LOGIT_BUFFER
    depth, width = len(plan.vocabulary) // plan.lanes, plan.lanes * plan.n.config.logit_bits
    return [Memory(name, depth, width, "Logits of a token")]


class Candidate(NamedTuple):
    """A logit and the lane it is in."""

    logit: Value
    lane: Value


def larger(m: Module, low: Candidate, high: Candidate, name: str) -> Candidate:
    """The candidate with the larger logit; `low`, whose lane is the lower, wins a tie."""
    take_high = Signal(name=f"{name}_high")
    logit = Signal(signed(len(low.logit)), name=f"{name}_logit")
    m.d.comb += [take_high.eq(high.logit > low.logit), logit.eq(Mux(take_high, high.logit, low.logit))]
    return Candidate(logit, Mux(take_high, high.lane, low.lane))


class Exponentials(wiring.Component):
    """`golden.sampler.argmax` and `golden.sampler.exponentials` of one vector at a time.

    x: beats of `plan.n.config.logit_bits` in `plan.vocabulary` order; padding lanes may hold anything.
    full: until `release`; `largest` is the index of the largest logit, the lowest of those alike. x is not ready from
    its last beat until `release`. release: a pulse while `full`, forgets the vector, and a replay midway.

    replay: a pulse while `full` and when the last replay's beats have been read (`beats` clocks after its pulse). Then
    come all beats: `e`, where `e_valid` is high, with its number `e_beat`; in padding lanes 0. One of them is all ones:
    the sum is never 0. ahead_valid, ahead_beat: the same `ahead` clocks before.
    slope: SLOPE_FRAC fraction bits; stands from a replay's pulse to its last beat.

    The memory is the module of `memories`. A reset leaves it as it is.
    """

    full_latency = 2
    """Clocks from a vector's last beat of x to `full` and its `largest`."""
    latency = 4
    """Clocks from a replay's pulse to its first beat of `e`."""
    ahead = 1
    """Clocks from `ahead_valid` to `e_valid` for the same beat."""
    pace = 1
    """Clocks from one beat to the next, of x and of `e`."""
    recovery = 1
    """Clocks from `release` until a beat of the next vector is taken."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.beats = len(plan.vocabulary) // plan.lanes
        beat = range(max(self.beats, 2))
        super().__init__(
            {
                "x": In(stream.Signature(lanes(plan.lanes, plan.n.config.logit_bits))),
                "slope": In(SLOPE_BITS),
                "full": Out(1),
                "largest": Out(plan.token_bits),
                "release": In(1),
                "replay": In(1),
                "e": Out(data.ArrayLayout(unsigned(plan.n.config.sample_bits), plan.lanes)),
                "e_valid": Out(1),
                "e_beat": Out(beat),
                "ahead_valid": Out(1),
                "ahead_beat": Out(beat),
            }
        )

    def beat_latency(self, beat: int) -> int:
        """Clocks from a replay's pulse to this beat of `e`."""
        return self.latency + beat * self.pace

    def elaborate(self, platform: object) -> Module:
        m = Module()
        taken, closed = Signal(), Signal()
        beat, last = counter(m, self.beats, taken, "beat")
        m.d.comb += [self.x.ready.eq(~closed), taken.eq(self.x.valid & ~closed)]
        with m.If(taken & last):
            m.d.sync += closed.eq(1)
        with m.If(self.release):
            m.d.sync += closed.eq(0)
        peak = self._largest(m, taken, beat, last)
        self._replay(m, taken, beat, peak)
        return m

    def _largest(self, m: Module, taken: Value, beat: Value, last: Value) -> Value:
        """Drives `full` and `largest`; the largest logit."""
        bits = self.plan.n.config.logit_bits

        # First stage: the best of a beat.
        valid, is_first, is_last = Signal(), Signal(reset_less=True), Signal(reset_less=True)
        logit, token = Signal(signed(bits), reset_less=True), Signal(self.plan.token_bits, reset_less=True)
        best_lane = self._best_of_beat(m, last)
        m.d.sync += valid.eq(taken)
        with m.If(taken):
            m.d.sync += [logit.eq(best_lane.logit), token.eq(beat * self.plan.lanes + best_lane.lane)]
            m.d.sync += [is_first.eq(beat == 0), is_last.eq(last)]

        # Second stage: the best so far. A later beat must be strictly better.
        best = Signal(signed(bits), reset_less=True)
        with m.If(valid & (is_first | (logit > best))):
            m.d.sync += [best.eq(logit), self.largest.eq(token)]
        with m.If(valid & is_last):
            m.d.sync += self.full.eq(1)
        with m.If(self.release):
            m.d.sync += self.full.eq(0)
        return best

    def _best_of_beat(self, m: Module, last: Value) -> Candidate:
        """A tree of comparators over the lanes.

        The last beat's padding counts as the lowest logit there is, and loses the tie: real lanes come before it.
        """
        bits = self.plan.n.config.logit_bits
        lowest = Const(-1 << (bits - 1), signed(bits))
        level = []
        for lane, logit in enumerate(self.x.payload):
            masked = Mux(last, lowest, logit) if self._padding(lane) else logit
            level.append(Candidate(masked, Const(lane, range(self.plan.lanes))))
        depth = 0
        while len(level) > 1:
            pairs = zip(level[::2], level[1::2], strict=False)
            joined = [larger(m, low, high, f"tree{depth}_{i}") for i, (low, high) in enumerate(pairs)]
            level = joined + level[len(joined) * 2 :]
            depth += 1
        return level[0]

    def _padding(self, lane: int) -> bool:
        """Whether the lane holds nothing in the last beat."""
        return self.plan.vocabulary[lane - self.plan.lanes] is None

    def _replay(self, m: Module, taken: Value, beat: Value, peak: Value) -> None:
        """Memory, and the pipeline behind it: read, distance, product, exponential."""
        reading, read = Signal(), Signal()
        m.d.comb += read.eq(self.replay | reading)
        read_beat, read_last = counter(m, self.beats, read, "read_beat")
        with m.If(read):
            m.d.sync += reading.eq(~read_last)
        stages = [(Signal(name=f"valid{i}"), Signal.like(read_beat, name=f"at{i}", reset_less=True)) for i in range(2)]
        stages += [(self.ahead_valid, self.ahead_beat), (self.e_valid, self.e_beat)]
        assert len(stages) == self.latency
        for (valid, at), before in zip(stages, [(read, read_beat), *stages], strict=False):
            m.d.sync += [valid.eq(before[0]), at.eq(before[1])]
        with m.If(self.release):
            m.d.sync += [reading.eq(0), read_beat.eq(0), *(valid.eq(0) for valid, _ in stages)]

        logits = Signal(self.x.payload.shape(), name="logits")
        m.submodules.logit_buffer = Instance(
            self.plan.prefix + LOGIT_BUFFER,
            i_clk=ClockSignal(),
            i_write_en=taken,
            i_write_addr=beat,
            i_write_data=self.x.payload,
            i_read_en=read,
            i_read_addr=read_beat,
            o_read_data=logits,
        )
        for lane in range(self.plan.lanes):
            exponential = self._exponential(m, lane, peak, logits[lane], stages[0][0], stages[1][0])
            hidden = self._padding(lane) & (self.ahead_beat == self.beats - 1)
            with m.If(self.ahead_valid):
                m.d.sync += self.e[lane].eq(Mux(hidden, 0, exponential))

    def _exponential(self, m: Module, lane: int, peak: Value, logit: Value, stored: Value, apart: Value) -> Value:
        """`2**(slope * (logit - peak))`, two registers behind `logit`, which move with `stored` and `apart`."""
        n, c = self.plan.n, self.plan.n.config
        m.submodules[f"table{lane}"] = table = Lookup(n.tables.exponential)
        distance = Signal(c.logit_bits, name=f"distance{lane}", reset_less=True)
        with m.If(stored):
            m.d.sync += distance.eq(peak - logit)

        # In powers of two. Beyond `limit` everything is rounded to 0.
        grow, drop, limit = max(-n.sample_drop, 0), max(n.sample_drop, 0), c.sample_bits + 1
        furthest = ((1 << c.logit_bits) - 1) * ((1 << SLOPE_BITS) - 1) << grow
        below = Signal(bits_for((furthest << 1 >> drop) + 1 >> 1), name=f"below{lane}")
        far = below[c.sample_frac :]
        whole = Signal(range(limit + 1), name=f"whole{lane}", reset_less=True)
        fraction = Signal(c.sample_frac, name=f"fraction{lane}", reset_less=True)
        m.d.comb += [below.eq(round_shift(distance * self.slope << grow, drop)), table.x.eq(fraction)]
        with m.If(apart):
            m.d.sync += [fraction.eq(below[: c.sample_frac]), whole.eq(Mux(far > limit, limit, far))]
        return round_shift(table.y, whole)
