"""The control of attention: which beat is loaded where, which position is in which pipeline stage."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .. import network
from .attention_head import STEPS


def beats_for(count: int, lanes: int) -> int:
    """Beats of `lanes` that hold `count` elements."""
    return -(-count // lanes)


class AttentionControl(wiring.Component):
    """Loads K, V and Q, then for each word runs both passes over positions 0..position and waits for the normaliser.

    beat, word: of what is loaded; `word` is also the word that is worked on, `last_word` that it is the token's last.
    kv_shift, kv_write, query_write: what becomes of the beat of x transferred in this clock. kv_write, kv_read,
    score_read (and `steps.score`, the score buffer's write) go with the addresses of the same clock.

    A word takes 2 * (position + 1) + PASS_CLOCKS clocks from its first read to the first clock of `active`.
    """

    PASS_CLOCKS = 5

    def __init__(self, node: network.Attention):
        self.node = node
        elements = node.kv_heads_per_clock * node.head_dim
        self.kv_beats = beats_for(elements, node.pair_lanes)
        self.query_beats = beats_for(elements * node.group, node.pair_lanes)
        self._kv_position = Signal(node.position_bits, name="kv_position")
        kv_address = max(node.n.context * node.kv_words * 2 - 1, 1).bit_length()
        super().__init__(
            {
                "position": In(node.position_bits),
                "x_valid": In(1),
                "x_ready": Out(1),
                "beat": Out(range(max(self.kv_beats, self.query_beats, 2))),
                "word": Out(range(max(node.kv_words, 2))),
                "last_word": Out(1),
                "kv_shift": Out(1),
                "kv_write": Out(1),
                "kv_write_address": Out(kv_address),
                "query_write": Out(1),
                "kv_read": Out(1),
                "kv_read_address": Out(kv_address),
                "score_read": Out(1),
                "score_address": Out(node.position_bits),
                "steps": Out(STEPS),
                "active": Out(1),
                "done": In(1),
                "empty": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        values, scoring, mixing = (Signal(name=name) for name in ("values", "scoring", "mixing"))
        m.d.comb += self.last_word.eq(self.word == self.node.kv_words - 1)
        with m.FSM():
            with m.State("KEYS"):
                self._load_kv(m, "VALUES")
            with m.State("VALUES"):
                m.d.comb += values.eq(1)
                self._load_kv(m, "QUERIES")
            with m.State("QUERIES"):
                m.d.comb += self.query_write.eq(self.x_valid)
                self._load(m, self.beat == self.query_beats - 1, "SCORE")
            self._work(m, scoring, mixing)
        self._addresses(m, values, mixing)
        self._pipeline(m, scoring, ("product", "score", "compare", "compared"))
        self._pipeline(m, mixing, ("distance", "weigh", "mix", "mixed"))
        m.d.comb += self.kv_read.eq(scoring | self.steps.weigh)
        return m

    def _load_kv(self, m: Module, then: str) -> None:
        """Shift the beats of a word together; the last one goes straight to the memory."""
        last = self.beat == self.kv_beats - 1
        m.d.comb += [self.kv_write.eq(self.x_valid & last), self.kv_shift.eq(self.x_valid & ~last)]
        self._load(m, last, then)

    def _load(self, m: Module, last_beat: Signal, then: str) -> None:
        """Take every beat of every word."""
        m.d.comb += self.x_ready.eq(1)
        with m.If(self.x_valid):
            m.d.sync += self.beat.eq(self.beat + 1)
            with m.If(last_beat):
                m.d.sync += self.beat.eq(0)
                self._end_word(m, then)

    def _end_word(self, m: Module, then: str) -> None:
        """On to the next word; with the last one, on to the state `then`."""
        m.d.sync += self.word.eq(self.word + 1)
        with m.If(self.last_word):
            m.d.sync += self.word.eq(0)
            m.next = then

    def _work(self, m: Module, scoring: Signal, mixing: Signal) -> None:
        """The states from the first score of a word to the last beat of the token."""
        with m.State("SCORE"):
            m.d.comb += scoring.eq(1)
            with m.If(self._kv_position == self.position):
                m.next = "MAXIMUM"
        with m.State("MAXIMUM"):
            # the last score is computed: its comparison is over when the first score has been read back
            with m.If(self.steps.score & ~self.steps.product):
                m.next = "MIX"
        with m.State("MIX"):
            m.d.comb += mixing.eq(1)
            with m.If(self.score_address == self.position):
                m.next = "SUMS"
        with m.State("SUMS"):
            with m.If(self.steps.mix & ~self.steps.weigh):
                m.next = "NORMALISE"
        with m.State("NORMALISE"):
            m.d.comb += self.active.eq(1)
            with m.If(self.done):
                m.next = "SCORE"
                self._end_word(m, "LEAVE")
        with m.State("LEAVE"):
            with m.If(self.empty):
                m.next = "KEYS"

    def _addresses(self, m: Module, values: Signal, mixing: Signal) -> None:
        """Of a position all words lie side by side, each K before its V. Each counter runs once through each pass."""
        stride, step = 2 * self.node.kv_words, self.steps
        m.d.comb += [
            self.kv_write_address.eq(self.position * stride + (self.word << 1) + values),
            self.kv_read_address.eq(self._kv_position * stride + (self.word << 1) + step.weigh),
            self.score_read.eq(mixing),
        ]
        self._count(m, self._kv_position, self.kv_read)
        self._count(m, self.score_address, step.score | mixing)

    def _count(self, m: Module, counter: Signal, step: Signal) -> None:
        with m.If(step):
            m.d.sync += counter.eq(Mux(counter == self.position, 0, counter + 1))

    def _pipeline(self, m: Module, start: Signal, names: tuple[str, ...]) -> None:
        """Each step a clock after the one before it."""
        for before, name in zip((start, *(self.steps[n] for n in names)), names, strict=False):
            m.d.sync += self.steps[name].eq(before)
