"""Grouped-query attention with its KV cache, for one token at a time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from ..numeric.numerics import Numerics
from .node import Flow, Node, Order, beats_of
from .rope import numbered


@dataclass(frozen=True)
class Attention(Node):
    """The attention of a layer: its heads, and how many of them work in a clock.

    A word of the KV cache holds the keys, or the values, of `kv_heads_per_clock` KV heads at one position. All query
    heads that read a word work at the same time.

    Parameters
        heads: query heads, a multiple of `kv_heads`.
        kv_heads: KV heads.
        head_dim: elements of a head, even.
        kv_heads_per_clock: KV heads in a word, 1..kv_heads.
        pair_lanes: lanes of a beat of keys, values and queries, even.
        lanes: lanes of a beat of the attention output.
        position_bits: unsigned width of a position.
        prefix: beginning of the names of its memories.
        n: widths and tables.
    """

    heads: int
    kv_heads: int
    head_dim: int
    kv_heads_per_clock: int
    pair_lanes: int
    lanes: int
    position_bits: int
    prefix: str
    n: Numerics

    def problems(self) -> Iterable[str]:
        """What is wrong: query heads that KV heads cannot share evenly, odd sizes, too many KV heads per clock."""
        if self.heads % self.kv_heads:
            yield f"heads: got {self.heads}, expected a multiple of the {self.kv_heads} KV heads"
        if self.head_dim % 2 or self.pair_lanes % 2:
            yield f"got {self.head_dim} elements of a head in {self.pair_lanes} lanes, expected even numbers"
        if not 1 <= self.kv_heads_per_clock <= self.kv_heads:
            yield f"KV heads per clock: got {self.kv_heads_per_clock}, expected 1..{self.kv_heads}"

    @property
    def group(self) -> int:
        """Query heads that share a KV head."""
        return self.heads // self.kv_heads

    @property
    def kv_words(self) -> int:
        """Words of the KV cache that hold the keys of one position."""
        return -(-self.kv_heads // self.kv_heads_per_clock)

    @property
    def kv_bits(self) -> int:
        """Size of the KV cache in bits: keys and values at every position of the context."""
        word = self.kv_heads_per_clock * self.head_dim * self.n.config.kv_bits
        return self.n.context * 2 * self.kv_words * word

    @cached_property
    def keys(self) -> Order:
        """Order of the rows of K: word by word, each padded to whole beats. Within a head, the two elements of a rotary
        pair, i and i + head_dim / 2, are neighbours.
        """
        return self._by_word(1, self._rotary_order, self.pair_lanes)

    @cached_property
    def values(self) -> Order:
        """Order of the rows of V: as `keys`, but in natural order within a head."""
        return self._by_word(1, range(self.head_dim), self.pair_lanes)

    @cached_property
    def queries(self) -> Order:
        """Order of the rows of Q: for each word of keys all query heads that read it, padded to whole beats."""
        return self._by_word(self.group, self._rotary_order, self.pair_lanes)

    @cached_property
    def outputs(self) -> Order:
        """Order of the attention output: word by word, in natural order within a head."""
        return self._by_word(self.group, range(self.head_dim), self.lanes)

    @property
    def input(self) -> Flow:
        """Keys, then values, then queries."""
        return Flow(numbered((self.keys, self.values, self.queries)), self.pair_lanes)

    @property
    def output(self) -> Flow:
        """The attention output. It passes twice if one word holds all heads, because its sums then stay unchanged until
        the second pass.
        """
        return Flow(self.outputs, self.lanes, passes=2 if self.kv_words == 1 else 1)

    @property
    def _rotary_order(self) -> list[int]:
        """The elements of a head, with the two elements of each rotary pair as neighbours."""
        half = self.head_dim // 2
        return [element for i in range(half) for element in (i, i + half)]

    def _kv_heads(self, word: int) -> Sequence[int | None]:
        """The KV heads in a word; None is padding."""
        first = word * self.kv_heads_per_clock
        return [h if h < self.kv_heads else None for h in range(first, first + self.kv_heads_per_clock)]

    def _head_rows(self, head: int | None, within: Iterable[int]) -> Sequence[int | None]:
        """The rows of a head in the order `within`; padding if there is no head."""
        if head is None:
            return [None] * self.head_dim
        return [head * self.head_dim + i for i in within]

    def _by_word(self, group: int, within: Iterable[int], lanes: int) -> Order:
        """The rows of all words: for each KV head, `group` heads whose rows have the order `within`.

        Each word is padded to whole beats of `lanes`.
        """
        order: Order = ()
        for word in range(self.kv_words):
            heads = [None if kv is None else kv * group + i for kv in self._kv_heads(word) for i in range(group)]
            order += beats_of((row for head in heads for row in self._head_rows(head, within)), lanes)
        return order
