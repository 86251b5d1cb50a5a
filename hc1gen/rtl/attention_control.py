"""The control of attention: where each beat is loaded, and which pipeline stage works on which position."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .. import network
from .attention_head import STEPS, Head
from .memory import READ_LATENCY


def beats_for(count: int, lanes: int) -> int:
    """How many beats of `lanes` elements hold `count` elements."""
    return -(-count // lanes)


class AttentionControl(wiring.Component):
    """Loads keys, values and queries; then runs both passes for each word and waits for the normaliser.

    A word of the KV cache holds the keys, or the values, of `node.kv_heads_per_clock` heads at one position. Each pass
    handles one position of 0..position per clock.

    Parameters
        node: heads, orders, lanes and widths.
    Ports (1 bit each, unless a width is given)
        position (in, `node.position_bits` bits): position of the token. It must stand until the last beat of the
            attention output has left.
        x_valid (in), x_ready (out): handshake of the stream of keys, values and queries. x_ready is 1 while a token
            is loaded, and 0 while attention works on it.
        beat (out, unsigned, 0..max(kv_beats, query_beats) - 1): number of the beat on x within its word.
        word (out, unsigned, 0..node.kv_words - 1): number of the word that is loaded, and later of the word at work.
        last_word (out): `word` is the last word of the token.
        kv_shift (out): shift the beat of x into the register for a KV word.
        kv_write (out): write the KV word that ends with the beat of x.
        kv_write_address (out, address of `2 * context * node.kv_words` words): where.
        query_write (out): store the beat of x as queries.
        kv_read (out): read a KV word.
        kv_read_address (out, like kv_write_address): where.
        score_read (out): read the score buffer. The step `steps.score` writes it.
        score_address (out, `node.position_bits` bits): where, for both.
        steps (out, `STEPS`): what the heads do in this clock.
        active (out): the sums of a word are complete. They stand while it is 1.
        done (in): the normaliser has taken the sums of the word, which may change from the next clock on.
        empty (in): the last beat of the attention output has left, or leaves in this clock.
        Each write or read enable belongs to the address of the same clock. Reset discards the token inside.
    Timing
        latency, read_latency, turn, pace, recovery.
    """

    pace = 1
    """Clocks from one beat of x to the next, and from one position to the next."""
    read_latency = 1
    """Clocks from the token's last beat of x to the first read for its first word, and from `done` to the first read
    for the next word."""
    turn = 1
    """Clocks from the write of the last score to the read of the first one."""
    recovery = 1
    """Clocks from the clock in which `empty` is 1 after the last word until a beat of x is taken."""

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

    def latency(self, position: int) -> int:
        """Clocks from the token's last beat of x, or from `done`, to the first clock of `active`.

        Both passes read one position per clock, so each has `position` clocks from its first read to its last.
        """
        scores = position * self.pace + READ_LATENCY + Head.score_latency
        sums = position * self.pace + READ_LATENCY + Head.sum_latency
        return self.read_latency + scores + self.turn + sums

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
        """Load a word of keys or values: collect its beats in a register, and write them with the last one."""
        last = self.beat == self.kv_beats - 1
        m.d.comb += [self.kv_write.eq(self.x_valid & last), self.kv_shift.eq(self.x_valid & ~last)]
        self._load(m, last, then)

    def _load(self, m: Module, last_beat: Signal, then: str) -> None:
        """Take all beats of all words, then go to the state `then`."""
        m.d.comb += self.x_ready.eq(1)
        with m.If(self.x_valid):
            m.d.sync += self.beat.eq(self.beat + 1)
            with m.If(last_beat):
                m.d.sync += self.beat.eq(0)
                self._end_word(m, then)

    def _end_word(self, m: Module, then: str) -> None:
        """Count to the next word; after the last word, go to the state `then`."""
        m.d.sync += self.word.eq(self.word + 1)
        with m.If(self.last_word):
            m.d.sync += self.word.eq(0)
            m.next = then

    def _work(self, m: Module, scoring: Signal, mixing: Signal) -> None:
        """The states from the first score of a word until the last beat of the token has left."""
        with m.State("SCORE"):
            m.d.comb += scoring.eq(1)
            with m.If(self._kv_position == self.position):
                m.next = "MAXIMUM"
        with m.State("MAXIMUM"):
            # The last score is computed. It is compared before the first score has been read back.
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
        """The addresses. The words of a position are neighbours in the cache, each key word before its value word.

        Each of the two counters runs once through 0..position in each pass.
        """
        stride, step = 2 * self.node.kv_words, self.steps
        m.d.comb += [
            self.kv_write_address.eq(self.position * stride + (self.word << 1) + values),
            self.kv_read_address.eq(self._kv_position * stride + (self.word << 1) + step.weigh),
            self.score_read.eq(mixing),
        ]
        self._count(m, self._kv_position, self.kv_read)
        self._count(m, self.score_address, step.score | mixing)

    def _count(self, m: Module, counter: Signal, step: Signal) -> None:
        """Count 0..position, and begin again at 0."""
        with m.If(step):
            m.d.sync += counter.eq(Mux(counter == self.position, 0, counter + 1))

    def _pipeline(self, m: Module, start: Signal, names: tuple[str, ...]) -> None:
        """Set the bits `names` of `steps` one after the other, each a clock after the one before it."""
        for before, name in zip((start, *(self.steps[n] for n in names)), names, strict=False):
            m.d.sync += self.steps[name].eq(before)
