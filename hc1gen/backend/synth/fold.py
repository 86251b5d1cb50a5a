"""Adders that know some of their inputs, constants or one net twice. What they know, adders behind them may use."""

from collections import defaultdict
from collections.abc import Iterable

from .adders import BOXES, HALF
from .netlist import Bit, Builder, Netlist, pins_of


def fold_adders(netlist: Netlist) -> None:
    """Full adders become half adders or gates, half adders wires or inverters, until no adder has a constant input."""
    folder = _Folder(netlist)
    todo = [name for name, cell in netlist.cells.items() if cell["type"] in BOXES]
    while todo:
        changed = {net for name in todo if name in netlist.cells for net in folder.fold(name)}
        todo = sorted({name for net in changed for name in folder.readers[net]})
    netlist.rename(folder.known)


class _Folder:
    def __init__(self, netlist: Netlist):
        self._netlist, self._builder = netlist, Builder(netlist)
        self.known: dict[Bit, Bit] = {}
        """Nets that are found to be constants or other nets."""
        self.readers: dict[Bit, list[str]] = defaultdict(list)
        for name, cell in netlist.cells.items():
            if cell["type"] in BOXES:
                for pin in "abc":
                    self.readers[pins_of(cell).get(pin, "x")].append(name)

    def fold(self, name: str) -> Iterable[Bit]:
        """Simplify one adder; the nets that became known."""
        cell = self._netlist.cells[name]
        pins = pins_of(cell)
        inputs = sorted((self._of(pins[pin]) for pin in "abc" if pin in pins), key=str)
        ones, nets = inputs.count("1"), [net for net in inputs if net not in ("0", "1", "x")]
        if len(nets) == len(set(nets)) == len(inputs):
            return []
        del self._netlist.cells[name]
        if len(nets) == 3 or (len(nets) == 2 and nets[0] == nets[1]):
            return self._twice(pins, nets, ones)
        if len(nets) == 2:
            return self._half(name, pins, nets, ones)
        if len(nets) == 1:
            return self._alone(pins, nets[0], ones)
        return self._settle(pins, str(ones & 1), str(ones >> 1))

    def _twice(self, pins: dict[str, Bit], nets: list[Bit], ones: int) -> Iterable[Bit]:
        """Two or three inputs are the same net, which then is the carry."""
        twin = next(net for net in nets if nets.count(net) > 1)
        others = [net for net in nets if net != twin] or ([twin] if len(nets) == 3 else [str(ones)])
        return self._settle(pins, others[0], twin)

    def _half(self, name: str, pins: dict[str, Bit], nets: list[Bit], ones: int) -> Iterable[Bit]:
        if ones:  # a + b + 1
            for pin, kind in (("s", "$_XNOR_"), ("co", "$_OR_")):
                if pin in pins:
                    self._builder.add(kind, {"A": nets[0], "B": nets[1], "Y": pins[pin]})
        elif "s" not in pins:
            self._builder.add("$_AND_", {"A": nets[0], "B": nets[1], "Y": pins["co"]})
        else:
            outputs = {pin: pins[pin] for pin in ("s", "co") if pin in pins}
            half = {"a": nets[0], "b": nets[1]} | outputs
            self._netlist.cells[name] = self._builder.cell(HALF, half, {"s", "co"})
        return []

    def _alone(self, pins: dict[str, Bit], net: Bit, ones: int) -> Iterable[Bit]:
        if ones != 1:
            return self._settle(pins, net, "1" if ones else "0")
        if "s" in pins:
            self._builder.add("$_NOT_", {"A": net, "Y": pins["s"]})
        return self._settle({pin: bit for pin, bit in pins.items() if pin != "s"}, net, net)

    def _settle(self, pins: dict[str, Bit], s: Bit, co: Bit) -> Iterable[Bit]:
        found = {pins[pin]: value for pin, value in (("s", s), ("co", co)) if pin in pins}
        self.known |= found
        for net, value in found.items():
            self.readers[value] += self.readers[net]
        return found

    def _of(self, net: Bit) -> Bit:
        while net in self.known:
            net = self.known[net]
        return net
