"""Builds the network of adders of a matrix: common parts, shared triples, then a compressor tree for every sum."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import count, product

import numpy as np

from .compress import compress, half_adders
from .digits import BASE_BITS, digits, magnitudes
from .network import Literal, Network
from .parts import Sums, share
from .triples import Bags, Term, Triple

LEAST = 9
"""Fewest terms that two rows must have in common, so that these terms become a common part."""
GROUP = 96
"""Columns of a group. Triples are searched within a group: larger groups give hardly more of them and take longer."""
CHOICES = 6
"""The number of bits of a count of threes for which both decompositions of 3, 1 + 2 and 4 - 1, are tried."""


@dataclass(frozen=True)
class Row:
    """The output of one row: the number `sum(|digit| * 8**place * literal) + offset + addend`.

    The literal of a column is its input bit, or the complement of it where the digit is negative. bits: the literals of
    the number's bits, lowest first; None for a bit that is always 0. largest: an upper bound of the number without the
    addend.
    """

    bits: tuple[Literal | None, ...]
    offset: int
    largest: int


@dataclass(frozen=True)
class Fabric:
    """A matrix as adders. The inputs of the network are the columns, and then the bits of the addends, row by row."""

    network: Network
    rows: tuple[Row, ...]


def build(matrix: np.ndarray, addend_bits: int = 0, least: int = LEAST, triples: bool = True) -> Fabric:
    """Returns the fabric of `matrix`, int [R, N] in -32..32.

    addend_bits: if it is not 0, each row also adds a number from outside, the upper half of an accumulator. The bits of
    that number are inputs of the network. It has as many bits as the row's own sum, but at least `addend_bits`, and the
    result has one bit more. least: fewest terms of a common part. triples: whether to search for shared triples.
    """
    return _Builder(matrix, addend_bits, least, triples).build()


class _Builder:
    """Builds one fabric.

    Terms have numbers: first the inputs, then the bits of words, then the outputs of shared triples. A word is the
    finished sum of a common part.
    """

    def __init__(self, matrix: np.ndarray, addend_bits: int, least: int, triples: bool):
        self.matrix, self.addend_bits = matrix, addend_bits
        low, high = np.moveaxis(digits(matrix), -2, 0)
        places = np.concatenate([low, high], axis=1) if high.any() else low
        self.sums: Sums = share(places, matrix.shape[1], least)
        self.order = self.sums.order()
        self.words: dict[int, list[Term | None]] = {}
        numbers = count(matrix.shape[1])
        for index in self.order:
            if index >= len(matrix):
                self.words[index] = [next(numbers) if used else None for used in self._used_bits(index)]
        self.bags = Bags(next(numbers))
        self.columns: dict[int, list[list[int]]] = {index: self._fill(index) for index in self.order}
        self.made: dict[Term, Triple] = {}
        for triple in self.bags.share() if triples else ():
            self.made |= dict.fromkeys((triple.s, *triple.carries), triple)

    def width(self, index: int) -> int:
        """Returns the width of a sum."""
        return self.sums.sums[index].largest.bit_length()

    def _used_bits(self, index: int) -> list[bool]:
        """Returns which bits of a common part can be 1. A column of n terms gives n // 2 carries to the next one."""
        columns = [0] * (self.width(index) + 1)
        for node, coefficient in self.sums.sums[index].terms.items():
            for position, _, _ in self._bits_of(node, abs(coefficient)):
                columns[position] += 1
        for position in range(self.width(index)):
            columns[position + 1] += columns[position] // 2
        return [terms > 0 for terms in columns[:-1]]

    def build(self) -> Fabric:
        """Adds up all sums, common parts before the sums that use them. Shared adders come when first needed."""
        columns = self.matrix.shape[1]
        uppers = [max(self.width(row), self.addend_bits) if self.addend_bits else 0 for row in range(len(self.matrix))]
        self.network = Network(columns + sum(uppers))
        self.literals: dict[Term, Literal | None] = {j: 2 * j for j in range(columns)}
        rows: dict[int, list[Literal | None]] = {}
        firsts = columns + np.cumsum([0, *uppers])
        for index in self.order:
            addend = [2 * (int(firsts[index]) + i) for i in range(uppers[index])] if index < len(uppers) else []
            bits = self._add_up(index, addend)
            if index < len(uppers):
                rows[index] = bits
            else:
                self.literals |= {t: b for t, b in zip(self.words[index], bits, strict=True) if t is not None}
        return Fabric(self.network, self._rows([rows[i] for i in range(len(self.matrix))]))

    def _fill(self, index: int) -> list[list[int]]:
        """Makes the bags of a sum and puts its terms into them. Returns the bags [bit position][group of columns]."""
        groups = -(-self.matrix.shape[1] // GROUP)
        positions: list[list[int]] = []
        above = [-1] * groups
        for _ in range(self.width(index) + 2):
            above = [self.bags.bag(a) for a in above]
            positions.append(above)
        positions.reverse()
        for node, coefficient in self.sums.sums[index].terms.items():
            sign = int(coefficient < 0)
            for position, term, group in self._bits_of(node, abs(coefficient)):
                self.bags.put(positions[position][group], term, sign)
        return positions

    def _bits_of(self, node: int, magnitude: int) -> list[tuple[int, Term, int]]:
        """Returns (bit position, term, group) of every one-bit term of a node times a magnitude.

        Three times a word gives no terms here: `_weight_threes` adds them later.
        """
        if node < self.sums.columns:
            place, column = divmod(node, self.matrix.shape[1])
            first = BASE_BITS * place
            return [(first + i, column, column // GROUP) for i in range(BASE_BITS) if magnitude >> i & 1]
        if magnitude == 3:
            return []
        words = self.words[node - self.sums.columns]
        first = magnitude.bit_length() - 1
        return [(first + i, term, 0) for i, term in enumerate(words) if term is not None]

    def _add_up(self, index: int, addend: list[Literal]) -> list[Literal | None]:
        """Adds up the terms in a sum's bags, three times its count of threes and an addend. Returns the bits."""
        width, largest = self.width(index), self.sums.sums[index].largest
        is_row = index < len(self.matrix)
        room = (1 << width) - 1 - largest if is_row else 0
        total = max(width, len(addend)) + bool(addend)
        columns: list[list[Literal]] = [[] for _ in range(total + 2)]
        for position, bags in enumerate(self.columns[index]):
            for bag in bags:
                for term, sign in self.bags.bags[bag].items():
                    if (literal := self._literal(term)) is not None:
                        columns[position].append(literal ^ sign)
        for position, literal in enumerate(addend):
            columns[position].append(literal)
        room -= self._weight_threes(index, columns, total, room)
        bits, _ = compress(self.network, columns, total, room)
        return bits

    def _weight_threes(self, index: int, columns: list[list[Literal]], width: int, room: int) -> int:
        """Puts three times the count of threes into the bit columns. Returns the constant that this adds to the sum.

        For each bit of the count, 3 is decomposed into 1 + 2 or 4 - 1, so that the columns need the fewest half adders.
        4 - 1 uses a complement, which adds a constant.
        """
        node, sign = next(((n, int(c < 0)) for n, c in self.sums.sums[index].terms.items()
                           if abs(c) == 3 and n >= self.sums.columns), (None, 0))  # fmt: skip
        if node is None:
            return 0
        threes = [None if term is None else self.literals[term] for term in self.words[node - self.sums.columns]]
        best: tuple[int, int, tuple[int, ...]] | None = None
        for choice in product((0, 1), repeat=min(len(threes), CHOICES)):
            constant = sum(less << i for i, less in enumerate(choice))
            counts = defaultdict(int, {i: len(column) for i, column in enumerate(columns)})
            for i, less in enumerate((*choice, *[0] * (len(threes) - len(choice)))):
                counts[i] += 1
                counts[i + 1 + less] += 1
            if constant <= room and (best is None or (half_adders(counts, width), constant) < best[:2]):
                best = (half_adders(counts, width), constant, choice)
        assert best is not None  # the choice of 1 + 2 for all bits adds no constant, so it is always allowed
        for i, literal in enumerate(threes):
            if literal is not None:
                less = best[2][i] if i < len(best[2]) else 0
                columns[i].append(literal ^ sign ^ less)
                columns[i + 1 + less].append(literal ^ sign)
        return best[1]

    def _literal(self, term: Term) -> Literal | None:
        """Returns the literal of a term, None for a bit that is always 0. Adds a shared adder when first asked for."""
        if term not in self.literals:
            triple = self.made[term]
            a, b, c = (self._literal(t) for t in triple.terms)
            assert a is not None and b is not None and c is not None  # a bit that is always 0 is in no bag
            inputs = [(a, b ^ turn_b, c ^ turn_c) for turn_b, turn_c in triple.classes]
            s, carry = self.network.add(inputs[0])
            self.literals |= {triple.s: 2 * s, triple.carries[0]: 2 * carry}
            for term_of, literals in zip(triple.carries[1:], inputs[1:], strict=True):
                self.literals[term_of] = 2 * self.network.add(literals, s=False)[1]
        return self.literals[term]

    def _rows(self, rows: list[list[Literal | None]]) -> tuple[Row, ...]:
        """Returns the rows from their bits. The value of a row when all inputs are 0 gives its offset."""
        nets = self.network.evaluate(np.zeros((self.network.inputs, 1), np.int8))[:, 0]
        made = []
        for bits, largest, negative in zip(rows, *magnitudes(self.matrix), strict=True):
            value = sum((int(nets[b >> 1]) ^ (b & 1)) << i for i, b in enumerate(bits) if b is not None)
            offset = value - int(negative)
            made.append(Row(tuple(bits), offset, offset + int(largest)))
        return tuple(made)
