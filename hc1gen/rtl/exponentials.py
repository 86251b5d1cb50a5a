"""Stores a vector of logits, finds the largest one, and replays integer exponentials of all logits on request."""

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
    """The one memory that `Exponentials` instantiates: it holds the logits of one vector, a beat per word."""
    name = plan.prefix + LOGIT_BUFFER
    depth, width = len(plan.vocabulary) // plan.lanes, plan.lanes * plan.n.config.logit_bits
    return [Memory(name, depth, width, "Logits of a token")]


class Candidate(NamedTuple):
    """A logit, and the number of the lane that holds it."""

    logit: Value
    lane: Value


def larger(m: Module, low: Candidate, high: Candidate, name: str) -> Candidate:
    """Returns the candidate with the larger logit. If both are equal it returns `low`, which has the lower lane."""
    take_high = Signal(name=f"{name}_high")
    logit = Signal(signed(len(low.logit)), name=f"{name}_logit")
    m.d.comb += [take_high.eq(high.logit > low.logit), logit.eq(Mux(take_high, high.logit, low.logit))]
    return Candidate(logit, Mux(take_high, high.lane, low.lane))


class Exponentials(wiring.Component):
    """Stores one vector of logits, finds the index of its largest logit, and replays integer exponentials of all.

    The exponential of a logit is `2**(slope * (logit - largest logit))`, rounded to an integer.

    Parameters
        plan: gives the lanes, the vocabulary and the widths. A vector has `beats` beats of `plan.lanes` lanes.
    Ports
        x (in, stream of `plan.lanes` lanes of `logit_bits` bits): the logits in the order of `plan.vocabulary`. Padding
            lanes may hold anything. x is not ready from a vector's last beat until `release`.
        full (out, 1 bit): the vector is complete. It is high until `release`.
        largest (out, `plan.token_bits` bits): while `full`, the index of the largest logit; of equal logits the lowest.
        release (in, 1 bit): a pulse, only while `full`. It drops the vector and stops a replay that is under way.
        replay (in, 1 bit): a pulse that starts a replay. It may come only while `full`, and at the earliest `beats`
            clocks after the pulse of the replay before, when all beats of that one have been read.
        slope (in, SLOPE_BITS bits, SLOPE_FRAC of them fraction): must stand from a replay's pulse to its last beat.
        e (out, `plan.lanes` lanes of `sample_bits` bits), e_valid (out, 1 bit), e_beat (out): while `e_valid` is high,
            `e` holds the exponentials of beat `e_beat`, and 0 in padding lanes. The exponential of the largest logit
            has all bits set, so the sum of a vector is never 0.
        ahead_valid (out, 1 bit), ahead_beat (out): `e_valid` and `e_beat`, `ahead` clocks earlier.
        A reset drops the vector, but leaves the content of the memory (see `memories`) as it is.
    Timing
        `full_latency`, `latency`, `ahead`, `pace`, `recovery`, and `beat_latency` for each beat of a replay.
    Golden counterpart
        `hc1gen.golden.sampler.argmax` (`largest`) and `hc1gen.golden.sampler.exponentials` (`e`).
    """

    full_latency = 2
    """Clocks from a vector's last beat of x to `full` and `largest`."""
    latency = 4
    """Clocks from a replay's pulse to its first beat of `e`."""
    ahead = 1
    """Clocks from `ahead_valid` to `e_valid` of the same beat."""
    pace = 1
    """Clocks from one beat to the next, of x and of `e`."""
    recovery = 1
    """Clocks from `release` until a beat of the next vector can be taken."""

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
        """Clocks from a replay's pulse to beat `beat` of `e`."""
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
        """Drives `full` and `largest`. Returns the largest logit: `logit_bits` bits, signed."""
        bits = self.plan.n.config.logit_bits

        # First stage: the largest logit of a beat.
        valid, is_first, is_last = Signal(), Signal(reset_less=True), Signal(reset_less=True)
        logit, token = Signal(signed(bits), reset_less=True), Signal(self.plan.token_bits, reset_less=True)
        best_lane = self._best_of_beat(m, last)
        m.d.sync += valid.eq(taken)
        with m.If(taken):
            m.d.sync += [logit.eq(best_lane.logit), token.eq(beat * self.plan.lanes + best_lane.lane)]
            m.d.sync += [is_first.eq(beat == 0), is_last.eq(last)]

        # Second stage: the largest logit so far. A later beat replaces it only if its logit is strictly larger.
        best = Signal(signed(bits), reset_less=True)
        with m.If(valid & (is_first | (logit > best))):
            m.d.sync += [best.eq(logit), self.largest.eq(token)]
        with m.If(valid & is_last):
            m.d.sync += self.full.eq(1)
        with m.If(self.release):
            m.d.sync += self.full.eq(0)
        return best

    def _best_of_beat(self, m: Module, last: Value) -> Candidate:
        """Returns the largest logit of the beat on x and its lane, by a tree of comparators over the lanes.

        Padding lanes of the last beat count as the lowest possible logit. They also lose a tie, because they are above
        all lanes that hold a token, and the lower lane wins.
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
        """Whether the last beat has no token in this lane."""
        return self.plan.vocabulary[lane - self.plan.lanes] is None

    def _replay(self, m: Module, taken: Value, beat: Value, peak: Value) -> None:
        """The memory and the pipeline behind it, which reads, subtracts, multiplies by the slope and exponentiates."""
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
        """Returns `2**(slope * (logit - peak))` of one lane, `sample_bits` bits, two registers behind `logit`.

        stored, apart: the enables of the two registers.
        """
        n, c = self.plan.n, self.plan.n.config
        m.submodules[f"table{lane}"] = table = Lookup(n.tables.exponential)
        distance = Signal(c.logit_bits, name=f"distance{lane}", reset_less=True)
        with m.If(stored):
            m.d.sync += distance.eq(peak - logit)

        # `below` is the distance as a power of two, with `sample_frac` fraction bits. From a whole part of `limit` on,
        # the exponential rounds to 0, so larger whole parts are cut to `limit`.
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
