"""Full and half adders of a module become cells of the library; those of which half is unused become gates."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from .library import Adder, Library
from .netlist import Bit, Builder, Netlist, pins_of
from .polarity import Node, choose

FULL, HALF, MAJORITY = BOXES = ("hc1gen_fa", "hc1gen_ha", "hc1gen_maj")
_OUTPUTS = ("s", "co")


def map_adders(netlist: Netlist, library: Library | None) -> None:
    """Turn the adder boxes of `netlist` into cells of `library`, or into gates where it has none or where only a sum is
    read; without a library, whole boxes stay. Gates are yosys' own, for ABC to map."""
    uses, builder = _uses(netlist), Builder(netlist)
    boxes: dict[str, _Box] = {}
    for name, cell in list(netlist.cells.items()):
        if cell["type"] not in BOXES:
            continue
        pins = {pin: net for pin, net in pins_of(cell).items() if pin in "abc" or uses[net]}
        kind = _kind(pins)
        adder = library and {FULL: library.full_adder, HALF: library.half_adder, MAJORITY: library.majority}.get(kind)
        if adder:
            boxes[name] = _Box(pins, adder)
        elif library is not None or kind not in BOXES:
            del netlist.cells[name]
            _gates(builder, pins)
        else:
            netlist.cells[name] = builder.cell(kind, pins, set(_OUTPUTS))
    _place(netlist, builder, boxes)


def _kind(pins: Mapping[str, Bit]) -> str:
    """The box that has these pins; none has a sum alone."""
    kinds = {"abcsco": FULL, "absco": HALF, "abcco": MAJORITY}
    return kinds.get("".join(pin for pin in ("a", "b", "c", *_OUTPUTS) if pin in pins), "")


@dataclass(frozen=True)
class _Box:
    """An adder that becomes a cell."""

    pins: dict[str, Bit]
    cell: Adder

    @property
    def inputs(self) -> list[Bit]:
        return [self.pins[pin] for pin in "abc" if pin in self.pins]

    @property
    def outputs(self) -> list[tuple[Bit, str, bool]]:
        """(net, pin of the cell, whether the pin is inverted)"""
        return [(self.pins[role], pin, inverted) for role, (pin, inverted) in self.cell.outputs.items()]


def _uses(netlist: Netlist) -> Counter[Bit]:
    """How often each net is read."""
    uses = Counter(netlist.outputs)
    for cell in netlist.cells.values():
        directions = cell["port_directions"]
        uses.update(b for pin, bits in cell["connections"].items() if directions[pin] != "output" for b in bits)
    for constant in "01xz":
        del uses[constant]
    return uses


def _place(netlist: Netlist, builder: Builder, boxes: dict[str, _Box]) -> None:
    """Library cells for the boxes, in the polarities that need fewest inverters; unread inverters go later."""
    inverters = [pins_of(cell) for cell in netlist.cells.values() if cell["type"] == "$_NOT_"]
    behind = {pins["Y"]: pins["A"] for pins in inverters}
    literals = {name: [_literal(net, behind) for net in box.inputs] for name, box in boxes.items()}
    read = _read_by_logic(netlist, boxes)
    nodes = [_node(box, literals[name]) for name, box in boxes.items()]
    turned = dict(zip(boxes, choose(nodes, read, _inverse(netlist, read)), strict=True))
    nets = _Polarities(builder)
    for name, box in boxes.items():
        for net, _, inverted in box.outputs:
            if turned[name] ^ inverted:
                nets.complement_is_driven(net)
    for name, box in boxes.items():
        chosen = [nets.of(net, complement ^ turned[name]) for net, complement in literals[name]]
        pins = dict(zip(box.cell.inputs, chosen, strict=True))
        pins |= {pin: nets.of(net, turned[name] ^ inverted) for net, pin, inverted in box.outputs}
        netlist.cells[name] = builder.cell(box.cell.cell, pins, {pin for _, pin, _ in box.outputs})


def _literal(net: Bit, behind: dict[Bit, Bit]) -> tuple[Bit, bool]:
    """A net as the one in front of its inverters."""
    complement = False
    while net in behind:
        net, complement = behind[net], not complement
    return net, complement


def _node(box: _Box, literals: list[tuple[Bit, bool]]) -> Node:
    return Node(tuple(literals), tuple(net for net, _, _ in box.outputs), box.cell.inverting, box.cell.self_dual)


def _read_by_logic(netlist: Netlist, boxes: dict[str, _Box]) -> frozenset[Bit]:
    """Nets that something besides adders and inverters reads."""
    read = set(netlist.outputs)
    for name, cell in netlist.cells.items():
        if name not in boxes and cell["type"] != "$_NOT_":
            directions = cell["port_directions"]
            read.update(b for pin, bits in cell["connections"].items() if directions[pin] != "output" for b in bits)
    return frozenset(read)


def _inverse(netlist: Netlist, read: frozenset[Bit]) -> frozenset[Bit]:
    """Nets of AND and OR that only adders read: a NAND or NOR is smaller."""
    gates = (pins_of(cell)["Y"] for cell in netlist.cells.values() if cell["type"] in ("$_AND_", "$_OR_"))
    return frozenset(gates) - read


class _Polarities:
    """Nets and their complements, with one inverter at most between the two."""

    def __init__(self, builder: Builder):
        self._builder = builder
        self._complements: dict[Bit, Bit] = {}

    def complement_is_driven(self, net: Bit) -> None:
        """An adder makes the complement of `net`; the inverter makes `net`."""
        self._complements[net] = self._builder.net()
        self._builder.add("$_NOT_", {"A": self._complements[net], "Y": net})

    def of(self, net: Bit, complement: bool) -> Bit:
        """The net, or its complement."""
        if not complement:
            return net
        if net not in self._complements:
            self._complements[net] = self._builder.net()
            self._builder.add("$_NOT_", {"A": net, "Y": self._complements[net]})
        return self._complements[net]


def _gates(builder: Builder, pins: dict[str, Bit]) -> None:
    """Sum, carry or both of an adder in gates."""
    a, b, c = pins["a"], pins["b"], pins.get("c")
    if "s" in pins:
        first, second = (a, b) if c is None else (builder.gate("$_XOR_", a, b), c)
        builder.add("$_XOR_", {"A": first, "B": second, "Y": pins["s"]})
    if "co" in pins:
        if c is None:
            builder.add("$_AND_", {"A": a, "B": b, "Y": pins["co"]})
        else:
            either = builder.gate("$_AND_", builder.gate("$_OR_", a, b), c)
            builder.add("$_OR_", {"A": builder.gate("$_AND_", a, b), "B": either, "Y": pins["co"]})
