"""Modules that only contain instances and wires between them, written as text so that people can read the chip."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

STREAM = ("payload", "valid", "ready")
"""The signals of a stream; the port of each is `NAME__SIGNAL`."""


@dataclass
class Placed:
    """An instance of a module.

    Parameters
        name: name of the instance.
        module: name of the module.
        widths: port → its width in bits.
        layouts: port → its layout, for ports that are words with fields.
        nets: port → the net that is connected to it, as Verilog.
    """

    name: str
    module: str
    widths: dict[str, int] = field(default_factory=dict)
    layouts: dict[str, data.Layout] = field(default_factory=dict)
    nets: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, module: str, interface: wiring.PureInterface | wiring.Component) -> "Placed":
        """An instance with the ports of `interface` and without nets."""
        placed = cls(name, module)
        for path, _, value in interface.signature.flatten(interface):
            port = "__".join(map(str, path))
            placed.widths[port] = len(Value.cast(value))
            if isinstance(value, data.View):
                placed.layouts[port] = data.Layout.cast(value.shape())
        return placed


class Netlist:
    """A module of instances and nets. Besides its ports it has `clk` and `rst`, which every component in it gets.

    Parameters
        name: name of the module.
        purpose: what the module is for; one or more lines, which become the comment at its top.
        signature: the ports.
    """

    def __init__(self, name: str, purpose: str, signature: wiring.Signature):
        self.name, self.purpose = name, purpose
        self.interface = signature.create()
        self.top = Placed.of(name, name, self.interface)
        self.inputs = {"__".join(map(str, p)) for p, m, _ in signature.flatten(self.interface) if m.flow == In}
        self.top.nets = {port: port for port in self.top.widths}
        self.wires: dict[str, int] = {}
        self.constants: dict[str, int] = {}  # output port → the value that is always on it
        self.instances: list[Placed] = []

    def place(self, name: str, module: str, component: wiring.PureInterface | wiring.Component) -> Placed:
        """Add an instance of a component, which is emitted as the module `module`, and return it."""
        placed = Placed.of(name, module, component)
        placed.nets = {"clk": "clk", "rst": "rst"}
        self.instances.append(placed)
        return placed

    def text_module(self, name: str, module: str, nets: dict[str, str]) -> None:
        """Add an instance of a module that is written as text. `nets` must name the net of every port."""
        self.instances.append(Placed(name, module, nets=nets))

    def find(self, name: str) -> Placed | None:
        """The instance `name`, or None if there is none."""
        return next((instance for instance in self.instances if instance.name == name), None)

    def placed(self, name: str) -> Placed:
        """The instance `name`; `ValueError` if there is none."""
        if (found := self.find(name)) is None:
            raise ValueError(f"{self.name}: no instance {name}")
        return found

    def net(self, source: Placed, port: str) -> str:
        """The net that the output `port` of `source` drives; it is made if there is none yet."""
        if port not in source.nets:
            source.nets[port] = f"{source.name}_{port}"
            self.wires[source.nets[port]] = source.widths[port]
        return source.nets[port]

    def open(self, source: Placed, port: str) -> None:
        """Leave an output unconnected: its net is read by nothing, and its name begins with `unused_`."""
        source.nets[port] = f"unused_{source.name}_{port}"
        self.wires[source.nets[port]] = source.widths[port]

    def split(self, source: Placed, port: str, nets: Mapping[str, str], rest: str) -> None:
        """Connect an output that is a word: each field in `nets` (field → net) drives a net of its own.

        The other fields, which must be neighbours, drive the net `rest`. `ValueError` as in `joined`.
        """
        layout = source.layouts[port]
        widths = {net: layout[name].width for name, net in nets.items()}
        self.wires |= widths | {rest: layout.size - sum(widths.values())}
        source.nets[port] = joined(layout, nets, rest)

    def join(self, sink: Placed, port: str, nets: Mapping[str, str], rest: str) -> None:
        """Connect an input that is a word: each field in `nets` (field → net) is driven by a net of its own.

        The other fields, which must be neighbours, are driven by the net `rest`. `ValueError` as in `joined`.
        """
        sink.nets[port] = joined(sink.layouts[port], nets, rest)

    def stream(self, source: Placed, sink: Placed, source_port: str = "y", sink_port: str = "x") -> None:
        """Connect two streams. Either end may be `top`.

        `ValueError` if their payloads differ in width.
        """
        if source is self.top:
            source, sink, source_port, sink_port = sink, source, sink_port, source_port
        for signal in STREAM:
            a, b = f"{source_port}__{signal}", f"{sink_port}__{signal}"
            if source.widths[a] != sink.widths[b]:
                raise ValueError(f"{source.name}.{a} has {source.widths[a]} bits, {sink.name}.{b} {sink.widths[b]}")
            if sink is self.top:
                source.nets[a] = sink.nets[b]
            else:
                net = self.net(source, a)
                if sink.nets.setdefault(b, net) != net:
                    raise ValueError(f"{self.name}: {sink.name}.{b} has net {sink.nets[b]} already, not {net}")

    def verilog(self) -> Iterator[str]:
        """Lines of the module. `ValueError` if a port of an instance has no net."""
        for line in f"{self.name}: {self.purpose}".splitlines():
            yield f"// {line}"
        yield f"module {self.name} ("
        ports = ["    input wire clk", "    input wire rst"]
        for port, width in self.top.widths.items():
            ports.append(f"    {'input' if port in self.inputs else 'output'} wire {_range(width)}{port}")
        yield ",\n".join(ports)
        yield ");"
        for wire, width in self.wires.items():
            yield f"    wire {_range(width)}{wire};"
        for port, value in self.constants.items():
            width = self.top.widths[port]
            yield f"    assign {port} = {width}'h{value:0{-(-width // 4)}x};"
        for placed in self.instances:
            forgotten = placed.widths.keys() - placed.nets.keys()
            if forgotten:
                raise ValueError(f"{self.name}.{placed.name}: no net on {', '.join(sorted(forgotten))}")
            order = ("clk", "rst", *placed.widths) if placed.widths else tuple(placed.nets)
            ports = [f"        .{port}({placed.nets[port]})" for port in order]
            yield f"    {placed.module} {placed.name} ("
            yield ",\n".join(ports)
            yield "    );"
        yield "endmodule"


def joined(layout: data.Layout, nets: Mapping[str, str], rest: str) -> str:
    """Verilog of a word as a concatenation: for each field in `nets` its net, and for all other fields the net `rest`.

    `ValueError` if a field does not exist, or if the other fields are not neighbours.
    """
    names = [name for name, _ in layout]
    parts = [net for net, _ in groupby(nets.get(name, rest) for name in names)]
    if not nets.keys() <= {*names} or len(parts) != len({*parts}):
        raise ValueError(f"nets {nets}, and {rest} for the other fields side by side, do not make up {names}")
    return f"{{{', '.join(reversed(parts))}}}"


def _range(width: int) -> str:
    """The range of a declaration with a space behind it; nothing for one bit."""
    return f"[{width - 1}:0] " if width > 1 else ""
