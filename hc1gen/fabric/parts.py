"""Common parts: where two rows have many equal weights, these are added up only once for both.

Two sums agree in a column if their coefficients are equal, and they oppose each other if one is the negative of the
other. The pair of sums with the largest overlap is taken first. The overlap becomes a new sum, which is then one term
of both. The new sum can have overlaps with other sums, so parts can have parts. A part of n one-bit terms is a word of
about log2(n) bits, so each further row that uses it saves about n - log2(n) full adders.
"""

from dataclasses import dataclass, field

import numpy as np

from .digits import BASE_BITS

MAGNITUDES = (1, 2, 4)
"""Magnitudes that are a power of two. Weights of magnitude 3 are counted in a sum of their own, times 3 afterwards."""


@dataclass
class Sum:
    """The sum of `coefficient * node` over `terms`, node → coefficient.

    A node below `columns` is an input column; the other nodes are sums, numbered from `columns` on.
    """

    terms: dict[int, int]
    largest: int = 0
    """Largest value of the sum over literals: a negative coefficient counts the complement of its node."""


@dataclass
class Sums:
    """The sums of a matrix. The first `rows` sums are its rows. In the numbering of nodes, the columns come first.

    A column is one digit place of an input: its weight is 1 in the first `inputs` columns and 8 in the next ones.
    """

    columns: int
    inputs: int
    rows: int
    sums: list[Sum] = field(default_factory=list)

    def add(self, terms: dict[int, int]) -> int:
        """Adds a new sum. Returns its node."""
        self.sums.append(Sum(terms))
        return self.columns + len(self.sums) - 1

    def order(self) -> list[int]:
        """Returns the indices of all sums, each after the sums that it uses. Also sets `largest` of every sum."""
        done: dict[int, None] = {}

        def visit(index: int) -> None:
            if index not in done:
                terms = self.sums[index].terms
                for node in terms:
                    if node >= self.columns:
                        visit(node - self.columns)
                self.sums[index].largest = sum(self._bound(node, c) for node, c in terms.items())
                done[index] = None

        for row in range(self.rows):
            visit(row)
        return list(done)

    def _bound(self, node: int, coefficient: int) -> int:
        """Returns the largest value of a term. All bits of a word's complement may be ones."""
        if node < self.columns:
            return abs(coefficient) << BASE_BITS * (node // self.inputs)
        largest = self.sums[node - self.columns].largest
        return coefficient * largest if coefficient > 0 else -coefficient * ((1 << largest.bit_length()) - 1)


def share(matrix: np.ndarray, inputs: int, least: int) -> Sums:
    """Returns the sums of a digit matrix, int [R, places * inputs] in -4..4, with their common parts taken out.

    least: fewest terms of a common part.
    """
    rows, columns = matrix.shape
    sums = Sums(columns, inputs, rows)
    for row in matrix:
        sums.add({int(j): int(row[j]) for j in np.flatnonzero(row)})
    for index in range(rows):
        _gather_threes(sums, index)
    overlaps = _Overlaps(sums, columns)
    while (found := overlaps.largest(least)) is not None:
        overlaps.extract(*found)
    return sums


def _gather_threes(sums: Sums, index: int) -> None:
    """Replaces the weights of magnitude 3 of a sum by one term, 3 times a new sum that counts them.

    Two or fewer of them stay: each is added up as 1 + 2.
    """
    terms = sums.sums[index].terms
    threes = {n: c // 3 for n, c in terms.items() if abs(c) == 3}
    if len(threes) > 2:
        sums.sums[index].terms = {n: c for n, c in terms.items() if n not in threes} | {sums.add(threes): 3}


class _Overlaps:
    """The number of input terms that every two sums have in common. It is updated when a part is taken out."""

    def __init__(self, sums: Sums, columns: int):
        self.sums = sums
        self.capacity = 2 * len(sums.sums) + 64
        self.signs = np.zeros((columns * len(MAGNITUDES), self.capacity), np.int8)
        self.agree = np.zeros((self.capacity, self.capacity), np.int16)
        self.oppose = np.zeros((self.capacity, self.capacity), np.int16)
        self.best = np.zeros(self.capacity, np.int16)
        self.partner = np.zeros(self.capacity, np.int32)
        for index, each in enumerate(sums.sums):
            keys, signs = self._keys(each.terms)
            self.signs[keys, index] = signs
        used = self.signs[:, : len(sums.sums)].astype(np.float32)
        signed, both = used.T @ used, np.abs(used).T @ np.abs(used)
        n = len(sums.sums)
        self.agree[:n, :n], self.oppose[:n, :n] = (both + signed) / 2, (both - signed) / 2
        np.fill_diagonal(self.agree, 0)
        for index in range(n):
            self._rank(index)

    def largest(self, least: int) -> tuple[int, int, bool] | None:
        """Returns (sum, sum, whether they agree) of the largest overlap; None if it has fewer than `least` terms."""
        index = int(self.best[: len(self.sums.sums) + 1].argmax())  # + 1, because a matrix may have no rows
        if self.best[index] < least:
            return None
        partner = int(self.partner[index])
        return index, partner, bool(self.agree[index, partner] >= self.oppose[index, partner])

    def extract(self, first: int, second: int, agree: bool) -> None:
        """Makes the common part of two sums a new sum, which becomes a term of both. agree: with the same sign."""
        sums, sign = self.sums, 1 if agree else -1
        a, b = sums.sums[first].terms, sums.sums[second].terms
        common = {n: c for n, c in a.items() if n < sums.columns and abs(c) != 3 and b.get(n) == sign * c}
        keys, signs = self._keys(common)
        scale = min(abs(c) for c in common.values())
        for terms in (a, b):
            for n in common:
                del terms[n]
        node = sums.add({n: c // scale for n, c in common.items()})
        a[node], b[node] = scale, sign * scale
        if len(sums.sums) > self.capacity:
            self._grow()
        index = len(sums.sums) - 1
        new_keys, _ = self._keys(sums.sums[index].terms)
        for each, its in ((first, signs), (second, sign * signs)):
            self.signs[keys, each] = 0
            self._update(each, keys, its, -1)
        self.signs[new_keys, index] = signs
        self._update(index, new_keys, signs, 1)
        changed = {first, second, index}
        for other in (first, second, index):
            self.agree[other, other] = self.oppose[other, other] = 0
        n = len(sums.sums)
        stale = np.flatnonzero(np.isin(self.partner[:n], (first, second)))
        for other in changed | set(stale.tolist()):
            self._rank(other)
        both = np.maximum(self.agree[index, :n], self.oppose[index, :n])
        better = both > self.best[:n]
        self.best[:n][better], self.partner[:n][better] = both[better], index

    def _keys(self, terms: dict[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Returns the row indices in `self.signs` of the input terms among `terms`, and the signs of these terms."""
        own = [(n * len(MAGNITUDES) + MAGNITUDES.index(abs(c)), 1 if c > 0 else -1)
               for n, c in terms.items() if n < self.sums.columns and abs(c) in MAGNITUDES]  # fmt: skip
        return np.array([k for k, _ in own], np.int64), np.array([s for _, s in own], np.int8)

    def _update(self, index: int, keys: np.ndarray, signs: np.ndarray, by: int) -> None:
        """Updates the counts of a sum after terms were added to it (`by` = 1) or removed from it (`by` = -1)."""
        held = self.signs[keys].astype(np.int16)
        signed, both = signs.astype(np.int16) @ held, np.abs(held).sum(axis=0, dtype=np.int16)
        for matrix, count in ((self.agree, (both + signed) // 2), (self.oppose, (both - signed) // 2)):
            matrix[index] += by * count
            matrix[:, index] = matrix[index]

    def _rank(self, index: int) -> None:
        """Finds the partner with which a sum has the largest overlap."""
        both = np.maximum(self.agree[index], self.oppose[index])
        self.partner[index] = both.argmax()
        self.best[index] = both[self.partner[index]]

    def _grow(self) -> None:
        """Doubles the number of sums for which the arrays have room."""
        more = self.capacity
        self.capacity *= 2
        self.signs = np.pad(self.signs, ((0, 0), (0, more)))
        self.agree, self.oppose = (np.pad(m, ((0, more), (0, more))) for m in (self.agree, self.oppose))
        self.best, self.partner = np.pad(self.best, (0, more)), np.pad(self.partner, (0, more))
