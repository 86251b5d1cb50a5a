"""Shared full adders: three terms that occur together in several sums are added only once.

A full adder of a, b, c can serve every sum that has the three terms in one bit position, and the position may differ
from sum to sum. It is self-dual, so in a sum all three may be complements. If only some of them are complements, the
sum bit `a ^ b ^ c` is the same or its complement, and only the majority has to be made again, for half the area of a
full adder. The outputs are new terms, which can be shared again.
"""

import heapq
from dataclasses import dataclass

import numpy as np

MAJORITY_COST = 0.5
"""Area of a majority gate in units of a full adder. In ASAP7 and sky130 it is exactly one half."""
BEAM = 4
"""The number of second terms that are tried for a first term in the search for a triple."""

Term = int


@dataclass(frozen=True)
class Triple:
    """A shared adder of three terms.

    terms: (a, b, c). classes: the different pairs (b is inverted, c is inverted), both relative to a. s: the new term
    of the sum bit, `a ^ b ^ c` with the inversions of the first class. carries: the new terms of the majorities, one
    for each class.
    """

    terms: tuple[Term, Term, Term]
    classes: tuple[tuple[int, int], ...]
    s: Term
    carries: tuple[Term, ...]


class Bags:
    """The terms of all sums in bags: a bag holds the terms that one sum has in one bit position.

    terms: the number of terms so far; the caller gives them the numbers 0..terms-1.
    """

    def __init__(self, terms: int) -> None:
        self.terms = terms
        self.bags: list[dict[Term, int]] = []
        self.above: list[int] = []
        self.where: dict[Term, dict[int, None]] = {}
        self._arrays: list[np.ndarray | None] = []

    def bag(self, above: int) -> int:
        """Makes a new empty bag and returns its number. above: the bag that gets the carries of its terms."""
        self.bags.append({})
        self.above.append(above)
        self._arrays.append(None)
        return len(self.bags) - 1

    def put(self, bag: int, term: Term, sign: int) -> None:
        """Puts a term into a bag; with sign 1 its complement. Raises `ValueError` if the bag has the term already."""
        if term in self.bags[bag]:
            raise ValueError(f"term {term} is in bag {bag} already")
        self.bags[bag][term] = sign
        self.where.setdefault(term, {})[bag] = None
        self._arrays[bag] = None

    def new_term(self) -> Term:
        """Returns the number of a new term."""
        self.terms += 1
        return self.terms - 1

    def share(self) -> list[Triple]:
        """Replaces the triple that saves most by a shared adder, until none saves anything. Returns the triples."""
        heap = [found for term in list(self.where) if (found := self._best(term))]
        heapq.heapify(heap)
        triples = []
        while heap:
            value, *terms = heapq.heappop(heap)
            classes = self._classes(*terms)
            if -_saving([len(bags) for bags in classes.values()]) > value:
                changed = terms[:1]
            else:
                triples.append(self._extract(terms, classes))
                changed = [terms[0], triples[-1].s, *triples[-1].carries]
            for term in changed:
                if found := self._best(term):
                    heapq.heappush(heap, found)
        return triples

    def _classes(self, a: Term, b: Term, c: Term) -> dict[tuple[int, int], list[int]]:
        """Returns the bags with all three terms, by the signs of b and c relative to a; the largest class first."""
        classes: dict[tuple[int, int], list[int]] = {}
        for bag in min((self.where[t] for t in (a, b, c)), key=len):
            held = self.bags[bag]
            if a in held and b in held and c in held:
                classes.setdefault((held[a] ^ held[b], held[a] ^ held[c]), []).append(bag)
        return dict(sorted(classes.items(), key=lambda item: (-len(item[1]), item[0])))

    def _extract(self, terms: list[Term], classes: dict[tuple[int, int], list[int]]) -> Triple:
        """Replaces the three terms in every bag that has them: by their sum, and by their carry in the bag above."""
        s, carries = self.new_term(), []
        first = next(iter(classes))
        for signs, bags in classes.items():
            carries.append(self.new_term())
            turned = signs[0] ^ signs[1] ^ first[0] ^ first[1]
            for bag in bags:
                sign = self.bags[bag][terms[0]]
                for term in terms:
                    del self.bags[bag][term], self.where[term][bag]
                self.put(bag, s, sign ^ turned)
                self.put(self.above[bag], carries[-1], sign)
        return Triple((terms[0], terms[1], terms[2]), tuple(classes), s, tuple(carries))

    def _best(self, a: Term) -> tuple[float, Term, Term, Term] | None:
        """Returns (minus the saving, a, b, c) of the best triple with `a` that a beam search finds.

        None if no triple saves anything.
        """
        bags = list(self.where.get(a, ()))
        if len(bags) < 2:
            return None
        partners, counts = np.unique(np.concatenate([self._array(bag) >> 1 for bag in bags]), return_counts=True)
        counts[partners == a] = 0
        best = None
        for i in np.argsort(-counts, kind="stable")[:BEAM]:
            b = int(partners[i])
            if counts[i] < 2 or (best and counts[i] - 1 <= -best[0]):
                break
            value, c = self._third(a, b, bags)
            if value > 0 and (best is None or -value < best[0]):
                best = (-value, a, b, c)
        return best

    def _third(self, a: Term, b: Term, bags: list[int]) -> tuple[float, Term]:
        """Returns (the saving, c) of the best third term c for the terms a and b. bags: the bags that hold a."""
        coded = []
        for bag in bags:
            held = self.bags[bag]
            if b in held:  # a code: the term, the sign of b relative to a, the sign of the term relative to a
                array = self._array(bag)
                coded.append((array >> 1 << 2) | (held[a] ^ held[b]) << 1 | (array & 1) ^ held[a])
        codes, counts = np.unique(np.concatenate(coded), return_counts=True)
        terms, first = np.unique(codes >> 2, return_index=True)
        total = np.add.reduceat(counts, first)
        kinds = np.diff(np.append(first, len(codes)))
        saved = np.where((terms == a) | (terms == b), 0, total - 1 - MAJORITY_COST * (kinds - 1))
        best = int(saved.argmax())
        return float(saved[best]), int(terms[best])

    def _array(self, bag: int) -> np.ndarray:
        """Returns `2 * term + sign` of every term in a bag, int64."""
        array = self._arrays[bag]
        if array is None:
            array = np.array([2 * term + sign for term, sign in self.bags[bag].items()], np.int64)
            self._arrays[bag] = array
        return array


def _saving(counts: list[int]) -> float:
    """Returns the area that a triple saves, in full adders. counts: the number of uses in each class."""
    return sum(counts) - 1 - MAJORITY_COST * (len(counts) - 1) if counts else 0
