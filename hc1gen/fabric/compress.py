"""Compressor tree: literals in columns of equal weight become one binary number (Wallace 1964, Dadda 1965).

A full adder takes three literals of a column and leaves one in this column and one in the next, so there is one less.
A half adder leaves as many literals as it takes, so a column gets one only when two literals remain. Among the literals
with an early arrival, those that need no inverter are added first. A half adder of two complements, with complemented
outputs, adds a constant of 1 to its column.
"""

from itertools import combinations

from .network import Literal, Network

WINDOW = 6
"""The number of earliest literals of a column among which three are chosen, if no three have one polarity."""
KINDS = ((0, 0), (0, 1), (1, 0), (1, 1))
"""Pairs of polarities: in libraries whose adders keep the polarity, and in libraries whose adders invert it."""


def compress(
    network: Network, columns: list[list[Literal]], width: int, room: int = 0
) -> tuple[list[Literal | None], int]:
    """Adds up the literals in `columns` (by bit position). Returns the bits of the sum, and a constant that was added.

    A bit that is always 0 is None. width: the number of bits that hold the sum, so no carry leaves them. room: the
    largest constant that may be added.
    """
    columns = [list(column) for column in columns] + [[] for _ in range(width - len(columns))]
    bits: list[Literal | None] = []
    constant = 0
    for position, column in enumerate(columns[:width]):
        last = position == width - 1
        while len(column) > 2:
            chosen = _choose(network, column)
            s, co = network.add(chosen, co=not last)
            column.append(2 * s)
            if not last:
                columns[position + 1].append(2 * co)
        if len(column) == 2:
            invert = _complements(network, column) and constant + (1 << position) <= room
            s, co = network.add((column[0] ^ invert, column[1] ^ invert), co=not last)
            constant += invert << position
            column[:] = [2 * s ^ invert]
            if not last:
                columns[position + 1].append(2 * co ^ invert)
        bits.append(column[0] if column else None)
    return bits, constant


def _choose(network: Network, column: list[Literal]) -> tuple[Literal, ...]:
    """Removes three literals from a column and returns them.

    They are the earliest three of the same polarity. If there are no such three, they are the three that need the
    fewest inverters among the earliest WINDOW literals.
    """
    column.sort(key=lambda literal: network.arrival[literal >> 1])
    found = [three for kind in KINDS if len(three := _alike(network, column, kind)) == 3]
    if found:
        chosen = min(found, key=lambda three: max(network.arrival[literal >> 1] for literal in three))
    else:
        chosen = min(combinations(column[:WINDOW], 3), key=network.mismatch)
    for literal in chosen:
        column.remove(literal)
    return chosen


def _alike(network: Network, column: list[Literal], kind: tuple[int, int]) -> tuple[Literal, ...]:
    """Returns up to three literals that are available in the polarities `kind`, (plain, alternating).

    Literals that are available only in these polarities come first.
    """
    fixed: list[Literal] = []
    free: list[Literal] = []
    for literal in column:
        held = network.polarities(literal)
        if all(h is None or h == k for h, k in zip(held, kind, strict=True)):
            (free if None in held else fixed).append(literal)
    return tuple([*fixed, *free][:3])


def _complements(network: Network, pair: list[Literal]) -> bool:
    """Returns whether a library has the complements of the two literals, and not the literals themselves."""
    held = [(literal & 1) ^ p for literal in pair if (p := network.plain[literal >> 1]) is not None]
    return bool(held) and all(held)


def half_adders(counts: dict[int, int], width: int) -> int:
    """Returns the number of half adders that bit columns need. counts: bit position → literals."""
    counts, needed = dict(counts), 0
    for position in range(width):
        count = counts.get(position, 0)
        counts[position + 1] = counts.get(position + 1, 0) + count // 2
        needed += count > 0 and count % 2 == 0
    return needed
