"""A serial line: 8 data bits, least significant first, no parity, one stop bit."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out


class Receiver(wiring.Component):
    """Bytes from `line`: `valid` is high for one clock with each `byte`. A byte without its stop bit is dropped.

    bit_clocks: clocks per bit, at least 4.
    """

    def __init__(self, bit_clocks: int):
        self.bit_clocks = bit_clocks
        super().__init__({"line": In(1), "byte": Out(8), "valid": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        line, timer = Signal(init=1), Signal(range(self.bit_clocks))
        left = Signal(range(11))  # bits to be looked at, the start bit first; 0 between bytes
        m.submodules.synchronizer = FFSynchronizer(self.line, line, init=1)
        m.d.comb += self.valid.eq((left == 1) & (timer == 0) & line)
        with m.If(left == 0):
            m.d.sync += [timer.eq(self.bit_clocks // 2 - 1), left.eq(0)]
            with m.If(~line):
                m.d.sync += left.eq(10)
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self.bit_clocks - 1), left.eq(left - 1)]
            with m.If((left == 10) & line):  # a spike, no start bit
                m.d.sync += left.eq(0)
            with m.If((left < 10) & (left > 1)):
                m.d.sync += self.byte.eq(Cat(self.byte[1:], line))
        return m


class Transmitter(wiring.Component):
    """Bytes `x` to `line`, which is high between them. bit_clocks: clocks per bit."""

    def __init__(self, bit_clocks: int):
        self.bit_clocks = bit_clocks
        super().__init__({"x": In(stream.Signature(8)), "line": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        timer, left = Signal(range(self.bit_clocks)), Signal(range(11))
        frame = Signal(9, init=-1)  # what follows the bit on the line
        m.d.comb += self.x.ready.eq(left == 0)
        with m.If(left == 0):
            with m.If(self.x.valid):
                m.d.sync += [self.line.eq(0), frame.eq(Cat(self.x.payload, Const(1, 1)))]
                m.d.sync += [timer.eq(self.bit_clocks - 1), left.eq(10)]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self.bit_clocks - 1), left.eq(left - 1)]
            m.d.sync += [self.line.eq(frame[0]), frame.eq(Cat(frame[1:], Const(1, 1)))]
        return m
