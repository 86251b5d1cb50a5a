"""A block that is emitted as a module of its own, seen from the module that uses it."""

from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In


class Extern(wiring.Component):
    """An instance of module `name`, with the ports of `signature`, clock and reset.

    Blocks that a chip has many times are described and emitted once; every use is one of these.
    """

    def __init__(self, name: str, signature: wiring.Signature):
        self.name = name
        super().__init__(signature)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ports: dict[str, object] = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        for path, member, value in self.signature.flatten(self):
            ports[f"{'i' if member.flow == In else 'o'}_{'__'.join(map(str, path))}"] = value
        m.submodules.module = Instance(self.name, **ports)
        return m
