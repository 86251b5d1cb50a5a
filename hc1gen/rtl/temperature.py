"""Converts a sampling temperature to the slope of the exponentials."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..numeric.numerics import LOG2E, LOG2E_FRAC, SLOPE_BITS, SLOPE_FRAC, TEMPERATURE_BITS, TEMPERATURE_FRAC, Numerics
from .types import Lookup, below_leading_one, bit_length, named


class Temperature(wiring.Component):
    """Converts a sampling temperature to the slope of the exponentials, log2(e) / temperature, saturated.

    The reciprocal of the temperature's mantissa comes from a table.

    Parameters
        n: the numerics of the target.
    Ports
        temperature (in, TEMPERATURE_BITS bits, TEMPERATURE_FRAC of them fraction, unsigned): the temperature.
        slope (out, SLOPE_BITS bits, SLOPE_FRAC of them fraction, unsigned): the slope. It has no meaning if `greedy`.
        greedy (out, 1 bit): the temperature is 0.
        There is no handshake: the outputs follow the input after `latency` clocks.
    Timing
        `latency` and `pace`.
    Golden counterpart
        `hc1gen.golden.sampler.slope`.
    """

    latency = 2
    """Clocks from a temperature to its slope."""
    pace = 1
    """Clocks from one temperature to the next."""

    def __init__(self, n: Numerics):
        self.n = n
        super().__init__({"temperature": In(TEMPERATURE_BITS), "slope": Out(SLOPE_BITS), "greedy": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self.n.config
        m.submodules.recip = recip = Lookup(self.n.tables.recip)

        # First stage: the mantissa, and the place of the leading one. A temperature of 0 has no leading one.
        top, mantissa, zero = Signal(range(TEMPERATURE_BITS)), Signal(c.mantissa_bits), Signal()
        length = named(m, bit_length(self.temperature[1:]), "length")
        m.d.sync += [
            top.eq(length),
            mantissa.eq(below_leading_one(self.temperature, length, c.mantissa_bits)),
            zero.eq(self.temperature == 0),
        ]

        # Second stage: the reciprocal of the mantissa, times log2(e).
        m.d.comb += recip.x.eq(mantissa)
        drop = LOG2E_FRAC + c.recip_bits - SLOPE_FRAC - TEMPERATURE_FRAC
        exact = named(m, ((recip.y * LOG2E)[drop - 1 :] >> top) + 1 >> 1, "exact")  # round_shift by drop + top
        largest = (1 << SLOPE_BITS) - 1
        m.d.sync += [self.slope.eq(Mux(exact > largest, largest, exact)), self.greedy.eq(zero)]
        return m
