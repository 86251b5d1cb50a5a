"""Shared full adders: three terms that meet in several sums are added once.

A full adder over a, b, c serves every sum that has the three with one magnitude, in whatever bit position. It is
self-dual, so all three may be complements. Where relative signs differ, the sum bit is the same up to complement
(`a ^ b ^ c`) and only the majority has to be made again, for half the area of a full adder. Outputs are terms again.
"""

import heapq
from dataclasses import dataclass

import numpy as np

MAJORITY_COST = 0.5
"""Area of a majority gate in full adders (ASAP7, sky130: exactly half)."""
BEAM = 4
"""How many partners of a term are tried for the third."""

Term = int


@dataclass(frozen=True)
class Triple:
    """A shared adder: `s` = a ^ b ^ c ^ its inversions in the first class; `carries` has a majority for each class.

    terms: (a, b, c); classes: inversions of b and c relative to a; carries: new terms, one per class.
    """

    terms: tuple[Term, Term, Term]
    classes: tuple[tuple[int, int], ...]
    s: Term
    carries: tuple[Term, ...]


class Bags:
    """Terms in bags: a bag is what one sum has in one bit position. Terms are numbered by whoever puts them in."""

    def __init__(self, terms: int) -> None:
        self.terms = terms
        self.bags: list[dict[Term, int]] = []
        self.above: list[int] = []
        self.where: dict[Term, dict[int, None]] = {}
        self._arrays: list[np.ndarray | None] = []

    def bag(self, above: int) -> int:
        """A new empty bag; carries of its terms go to bag `above`."""
        self.bags.append({})
        self.above.append(above)
        self._arrays.append(None)
        return len(self.bags) - 1

    def put(self, bag: int, term: Term, sign: int) -> None:
        """`term` (sign 1: its complement) joins a bag that does not have it."""
        if term in self.bags[bag]:
            raise ValueError(f"term {term} is in bag {bag} already")
        self.bags[bag][term] = sign
        self.where.setdefault(term, {})[bag] = None
        self._arrays[bag] = None

    def new_term(self) -> Term:
        self.terms += 1
        return self.terms - 1

    def share(self) -> list[Triple]:
        """Take out the triple that saves most, again and again; those found, in order."""
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
        """Bags that hold all three terms, by the signs of b and c relative to a; the largest class first."""
        classes: dict[tuple[int, int], list[int]] = {}
        for bag in min((self.where[t] for t in (a, b, c)), key=len):
            held = self.bags[bag]
            if a in held and b in held and c in held:
                classes.setdefault((held[a] ^ held[b], held[a] ^ held[c]), []).append(bag)
        return dict(sorted(classes.items(), key=lambda item: (-len(item[1]), item[0])))

    def _extract(self, terms: list[Term], classes: dict[tuple[int, int], list[int]]) -> Triple:
        """Replace the three terms by their sum and carry in every bag that has them."""
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
        """(minus what is saved, a, b, c) of the best triple with `a` that beam search finds, if one saves anything."""
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
        """(what is saved, c) of the best third term."""
        coded = []
        for bag in bags:
            held = self.bags[bag]
            if b in held:  # term, sign of b relative to a, sign of the term relative to a
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
        """2 * term + sign of every term in a bag."""
        array = self._arrays[bag]
        if array is None:
            array = np.array([2 * term + sign for term, sign in self.bags[bag].items()], np.int64)
            self._arrays[bag] = array
        return array


def _saving(counts: list[int]) -> float:
    """Full adders saved by a triple with `counts` uses in each class."""
    return sum(counts) - 1 - MAJORITY_COST * (len(counts) - 1) if counts else 0
