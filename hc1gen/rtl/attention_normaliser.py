"""The end of attention: sums of values over their Z, in beats."""

from amaranth.hdl import Array, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .. import network
from .types import Lookup, Pipeline, bit_length, counter, lanes, named, round_shift


def heads_needed(node: network.Attention, beat: int) -> int:
    """Heads of a word that must be known before this beat of it."""
    elements = node.kv_heads_per_clock * node.group * node.head_dim
    return (min((beat + 1) * node.lanes, elements) - 1) // node.head_dim + 1


def word_beats(node: network.Attention) -> int:
    """Beats of y that hold the contexts of one word."""
    return -(-node.kv_heads_per_clock * node.group * node.head_dim // node.lanes)


class Normaliser(wiring.Component):
    """One word of the KV cache at a time: the contexts of its heads, in `node.outputs` order.

    active: sums and totals stand; high until `done`. last_word: some of its heads may be padding, whose lanes are 0.
    y: where the cache has a word per position, everything twice; else once.
    done: in this clock the word's last beat is taken over; the sums may change after it.
    empty: no beat is left inside, or the last one leaves in this clock.

    One reciprocal unit serves a head per clock, one multiplier per lane a beat per clock; a beat waits for its heads.
    """

    head_latency = 2
    """Clocks from the first clock of `active` until the first head is known."""
    head_pace = 1
    """Clocks from one head that is known to the next."""
    beat_latency = 2
    """Clocks from the taking over of a beat to the beat of y."""
    pace = 1
    """Clocks from one beat to the next, where it does not wait for its heads."""

    def __init__(self, node: network.Attention):
        self.node, self.n = node, node.n
        self.heads = node.kv_heads_per_clock * node.group
        self.elements = self.heads * node.head_dim
        self.beats = word_beats(node)
        self._beat = Signal(range(max(self.beats, 2)), name="beat")
        self._take = Signal(name="take")
        self._multiply = Signal(name="multiply")
        super().__init__(
            {
                "active": In(1),
                "last_word": In(1),
                "totals": In(data.ArrayLayout(unsigned(node.n.exp_sum_bits), self.heads)),
                "sums": In(lanes(self.elements, node.n.value_sum_bits)),
                "done": Out(1),
                "empty": Out(1),
                "y": Out(stream.Signature(lanes(node.lanes, node.n.attention_bits))),
            }
        )

    def taken(self, beat: int) -> int:
        """Clocks from the first clock of `active` to the taking over of this beat of the word's first coming."""
        heads = heads_needed(self.node, beat)
        known = self.head_latency + (heads - 1) * self.head_pace
        return known if beat == 0 else max(known, self.taken(beat - 1) + self.pace)

    def latency(self, beat: int) -> int:
        """Clocks from the first clock of `active` to this beat of y, of the word's first coming."""
        return self.taken(beat) + self.beat_latency

    @property
    def excess(self) -> range:
        """Place of Z's leading one above the lowest possible: the largest probability, all ones, is part of Z."""
        return range(max(self.n.exp_sum_bits - self.n.config.prob_bits + 1, 2))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        known, reciprocals, excesses = self._reciprocals(m)
        source = stream.Signature(0).create()
        pipeline = Pipeline(m, source, self.y, depth=self.beat_latency)
        needed = Array(heads_needed(self.node, b) for b in range(self.beats))
        last = self._beat == self.beats - 1
        _, last_pass = counter(m, 2 if self.node.kv_words == 1 else 1, self._take & last, "pass_index")
        m.d.comb += [
            source.valid.eq(self.active & (known >= needed[self._beat])),
            self._take.eq(source.valid & source.ready),
            self._multiply.eq(pipeline.valid[0] & pipeline.go),
            self.done.eq(self._take & last & last_pass),
            self.empty.eq(~pipeline.valid[0] & (~self.y.valid | self.y.ready)),
        ]
        with m.If(self._take):
            m.d.sync += self._beat.eq(Mux(last, 0, self._beat + 1))
        shared: dict[tuple[int, ...], tuple[Value, Signal]] = {}
        for lane in range(min(self.node.lanes, self.elements)):
            elements = range(lane, self.elements, self.node.lanes)
            heads = tuple(self._head(e) for e in elements)
            if heads not in shared:
                shared[heads] = self._factor(m, heads, reciprocals, excesses)
            self._lane(m, lane, elements, *shared[heads])
        return m

    def _head(self, element: int) -> int:
        return element // self.node.head_dim

    def _reciprocals(self, m: Module) -> tuple[Signal, list[Signal], list[Signal]]:
        """Heads known so far, 1/Z mantissa and excess of each head: a leading-one finder, then the table."""
        m.submodules.recip = recip = Lookup(self.n.tables.recip)
        head, known = Signal(range(self.heads + 1)), Signal(range(self.heads + 1))
        cut = Signal()
        total = Signal(unsigned(self.n.exp_sum_bits))
        excess, cut_excess = Signal(self.excess), Signal(self.excess, reset_less=True)
        mantissa = Signal(self.n.config.mantissa_bits, reset_less=True)
        low = self.n.config.prob_bits - 1
        m.d.comb += [
            total.eq(Array(self.totals[h] for h in range(self.heads))[head]),
            excess.eq(bit_length(total[low + 1 :])),
            recip.x.eq(mantissa),
        ]
        m.d.sync += cut.eq(self.active & (head != self.heads))
        with m.If(self.active & (head != self.heads)):
            m.d.sync += [head.eq(head + 1), cut_excess.eq(excess)]
            m.d.sync += mantissa.eq(total << self.n.config.mantissa_bits >> low >> excess)
        registers = [
            (Signal(self.n.config.recip_bits, name=f"reciprocal{h}", reset_less=True),
             Signal(self.excess, name=f"excess{h}", reset_less=True))
            for h in range(self.heads)
        ]  # fmt: skip
        with m.If(cut):
            m.d.sync += known.eq(known + 1)
        for h, (reciprocal, kept) in enumerate(registers):
            with m.If(cut & (known == h)):
                m.d.sync += [reciprocal.eq(recip.y), kept.eq(cut_excess)]
        with m.If(self.done):
            m.d.sync += [head.eq(0), known.eq(0)]
        return known, [r for r, _ in registers], [e for _, e in registers]

    def _factor(
        self, m: Module, heads: tuple[int, ...], reciprocals: list[Signal], excesses: list[Signal]
    ) -> tuple[Value, Signal]:
        """What the lanes with these heads, one for each beat, have in common: the shift now, 1/Z a clock later."""
        factor = Signal(self.n.config.recip_bits, name=f"factor{'_'.join(map(str, heads))}", reset_less=True)
        with m.If(self._take):
            m.d.sync += factor.eq(_choose([reciprocals[h] for h in heads], self._beat))
        return named(m, _choose([excesses[h] for h in heads], self._beat), f"shift{'_'.join(map(str, heads))}"), factor

    def _lane(self, m: Module, lane: int, elements: range, shift: Value, factor: Signal) -> None:
        """Choose by beat, align to Z's leading one; register; multiply by 1/Z; register."""
        n, c = self.n, self.n.config
        choices = [self.sums[e] for e in elements] + [Const(0)] * (self.beats - len(elements))
        chosen = Signal(signed(n.value_sum_bits), name=f"sum{lane}")
        aligned = Signal(signed(c.kv_bits + n.attention_guard + 1), name=f"aligned{lane}", reset_less=True)
        y = Signal(signed(n.attention_bits), name=f"y{lane}", reset_less=True)
        m.d.comb += [
            chosen.eq(Mux(self._padding(elements), 0, _choose(choices, self._beat))),
            self.y.payload[lane].eq(y),
        ]
        with m.If(self._take):
            # round_shift by the place of the leading one, its lowest possible place being a matter of wires
            m.d.sync += aligned.eq(((chosen << n.attention_guard + 1 >> c.prob_bits - 1 >> shift) + 1) >> 1)
        with m.If(self._multiply):
            m.d.sync += y.eq(round_shift(aligned * factor, c.recip_bits + n.attention_guard - c.attention_frac))

    def _padding(self, elements: range) -> Value:
        """High where the lane's element of this beat belongs to a padding head."""
        heads_left = self.node.kv_heads - (self.node.kv_words - 1) * self.node.kv_heads_per_clock
        tail = heads_left * self.node.group * self.node.head_dim
        padding: Value = Const(0)
        for b, element in enumerate(elements):
            if element >= tail:
                padding = padding | (self.last_word & (self._beat == b))
        return padding


def _choose(choices: list[Value], index: Signal) -> Value:
    """`choices[index]`; nothing to choose where all are the same."""
    return choices[0] if all(c is choices[0] for c in choices) else Array(choices)[index]
