"""Compressor tree: literals in columns of equal weight become one binary number.

Every full adder takes three literals of a column and leaves one there and one above: one less. Half adders remove
nothing, so a column gets one only when it would keep two. Of the literals that are there early, those are added first
that need no inverter; on complements, a half adder works as one that adds a constant.
"""

from itertools import combinations

from .network import Literal, Network

WINDOW = 6
"""Literals of a column among which three are chosen where no three are alike."""
KINDS = ((0, 0), (0, 1), (1, 0), (1, 1))
"""Polarities: in libraries whose adders keep it, and in those whose adders turn it over."""


def compress(
    network: Network, columns: list[list[Literal]], width: int, room: int = 0
) -> tuple[list[Literal | None], int]:
    """Literals by bit position → (the sum's bits, None where one is always 0; a constant that was added).

    width: bits that hold the sum: carries out of them cannot happen. room: how large the constant may become.
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
    """Take three literals out of a column: three of one polarity, the earliest there are, else the three among the
    earliest that need fewest inverters."""
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
    """Up to three literals at hand in polarity `kind`, plain and alternating; first those that are in no other."""
    fixed: list[Literal] = []
    free: list[Literal] = []
    for literal in column:
        held = network.polarities(literal)
        if all(h is None or h == k for h, k in zip(held, kind, strict=True)):
            (free if None in held else fixed).append(literal)
    return tuple([*fixed, *free][:3])


def _complements(network: Network, pair: list[Literal]) -> bool:
    """Whether a library has the complements of both at hand rather than the literals."""
    held = [(literal & 1) ^ p for literal in pair if (p := network.plain[literal >> 1]) is not None]
    return bool(held) and all(held)


def half_adders(counts: dict[int, int], width: int) -> int:
    """Half adders that columns of so many literals take."""
    counts, needed = dict(counts), 0
    for position in range(width):
        count = counts.get(position, 0)
        counts[position + 1] = counts.get(position + 1, 0) + count // 2
        needed += count > 0 and count % 2 == 0
    return needed
