"""Which full adders work on complements, so that few nets need an inverter.

A full adder is self-dual: of complements it makes the complements of its sum and carry. So each adder cell may stand
for an adder of true nets or of their complements, at the same cost. Where a cell's outputs are inverted, adders whose
levels alternate need no inverter at all; where they are not, the complements that stand for negative weights travel
through whole trees.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

ADDER, LOGIC = 3, 2
"""What an inversion costs between two adders, and where logic stands at one end that may take it in."""
Literal = tuple[Hashable, bool]
"""A net, and whether its complement is meant."""


@dataclass(frozen=True)
class Node:
    """An adder: literals of its inputs, nets of its outputs; inverting: whether the cell's outputs are inverted;
    free: whether it may work on complements (half adders may not)."""

    inputs: tuple[Literal, ...]
    outputs: tuple[Hashable, ...]
    inverting: bool
    free: bool


def choose(nodes: Sequence[Node], logic: frozenset[Hashable], inverse: frozenset[Hashable] = frozenset()) -> list[bool]:
    """For each node whether it works on complements.

    logic: nets that something besides the nodes reads; inverse: nets of which the complement is the smaller gate, as
    NAND is smaller than AND. In the order of the data each node takes what most of its inputs have at hand; then single
    nodes are turned for as long as that saves area.
    """
    graph = _Graph(nodes, logic, inverse)
    for i in graph.order():
        graph.turned[i] = nodes[i].free and graph.mostly_turned(i)
    todo = set(range(len(nodes)))
    while todo:
        again: set[int] = set()
        for i in sorted(todo):
            if nodes[i].free and graph.gain(i) > 0:
                graph.turned[i] = not graph.turned[i]
                again |= graph.near(i)
        todo = again
    return graph.turned


class _Graph:
    def __init__(self, nodes: Sequence[Node], logic: frozenset[Hashable], inverse: frozenset[Hashable]):
        self.nodes, self.logic, self.inverse, self.turned = nodes, logic, inverse, [False] * len(nodes)
        self.source = {net: i for i, node in enumerate(nodes) for net in node.outputs}
        self.readers: dict[Hashable, list[tuple[int, bool]]] = defaultdict(list)
        for i, node in enumerate(nodes):
            for net, complement in node.inputs:
                self.readers[net].append((i, complement))

    def order(self) -> Iterator[int]:
        """Sources before readers; loops, which are none of ours, are left out."""
        left = [sum(net in self.source for net, _ in node.inputs) for node in self.nodes]
        ready = [i for i, n in enumerate(left) if n == 0]
        for i in ready:
            yield i
            for net in self.nodes[i].outputs:
                for j, _ in self.readers[net]:
                    left[j] -= 1
                    if left[j] == 0:
                        ready.append(j)

    def near(self, i: int) -> set[int]:
        """Nodes whose gain depends on node `i`."""
        nets = [net for net, _ in self.nodes[i].inputs] + list(self.nodes[i].outputs)
        readers = {j for net in nets for j, _ in self.readers[net]}
        return (readers | {self.source[net] for net in nets if net in self.source}) - {i}

    def held(self, net: Hashable) -> bool:
        """Whether a net's complement is what its adder, or the smaller gate, makes."""
        source = self.source.get(net)
        if source is None:
            return net in self.inverse
        return self.turned[source] ^ self.nodes[source].inverting

    def mostly_turned(self, i: int) -> bool:
        known = (net for net in self.nodes[i].inputs if net[0] in self.source or net[0] in self.inverse)
        wanted = [complement ^ self.held(net) for net, complement in known]
        return 2 * sum(wanted) > len(wanted)

    def gain(self, i: int) -> int:
        """What turning node `i` saves."""
        nets = {*(net for net, _ in self.nodes[i].inputs), *self.nodes[i].outputs}
        before = sum(map(self._cost, nets))
        self.turned[i] = not self.turned[i]
        after = sum(map(self._cost, nets))
        self.turned[i] = not self.turned[i]
        return before - after

    def _cost(self, net: Hashable) -> int:
        """Of the inverter on a net, if it has one."""
        wanted = {complement ^ self.turned[j] for j, complement in self.readers[net]}
        held = self.held(net)
        if (not held) in wanted:
            return ADDER if net in self.source else LOGIC
        return LOGIC if held and net in self.logic else 0
