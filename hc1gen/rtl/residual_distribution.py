"""What is left of the target's distribution where a draft's token was rejected: weights to draw another from."""

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out


class ResidualDistribution(wiring.Component):
    """`golden.accept.residual_distribution`, a beat per clock: in every lane `w = max(e_p * z_q - e_q * z_p, 0)`.

    e_p, e_q: exponentials, read where `e_valid` is high. w: `latency` clocks later, where `w_valid` is high.
    z_p, z_q: their sums; stand while beats come.
    """

    latency = 2
    """Clocks from a beat of exponentials to its weights."""
    pace = 1
    """Clocks from one beat to the next."""

    def __init__(self, lanes: int, e_bits: int, p_sum_bits: int, q_sum_bits: int):
        self.lanes, self.p_bits, self.q_bits = lanes, e_bits + q_sum_bits, e_bits + p_sum_bits
        super().__init__(
            {
                "e_valid": In(1),
                "e_p": In(data.ArrayLayout(unsigned(e_bits), lanes)),
                "e_q": In(data.ArrayLayout(unsigned(e_bits), lanes)),
                "z_p": In(p_sum_bits),
                "z_q": In(q_sum_bits),
                "w_valid": Out(1),
                "w": Out(data.ArrayLayout(unsigned(self.p_bits), lanes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        multiplied = Signal()
        m.d.sync += [multiplied.eq(self.e_valid), self.w_valid.eq(multiplied)]
        for lane in range(self.lanes):
            p = Signal(self.p_bits, name=f"p{lane}", reset_less=True)
            q = Signal(self.q_bits, name=f"q{lane}", reset_less=True)
            difference = Signal(signed(max(self.p_bits, self.q_bits) + 1), name=f"difference{lane}")
            w = Signal(self.p_bits, name=f"w{lane}", reset_less=True)
            m.d.comb += [difference.eq(p - q), self.w[lane].eq(w)]
            with m.If(self.e_valid):
                m.d.sync += [p.eq(self.e_p[lane] * self.z_q), q.eq(self.e_q[lane] * self.z_p)]
            with m.If(multiplied):
                m.d.sync += w.eq(Mux(difference < 0, 0, difference))
        return m
