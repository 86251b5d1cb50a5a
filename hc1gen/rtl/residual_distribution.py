"""The residual distribution: the integer weights from which the target draws a token after it rejected a proposal."""

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out


class ResidualDistribution(wiring.Component):
    """Computes the weights of the residual distribution, w = max(e_p * z_q - e_q * z_p, 0) in every lane.

    The target's exponentials are e_p, with the sum z_p; the draft's are e_q, with the sum z_q.

    Parameters
        lanes: lanes of a beat.
        e_bits: width of an exponential, unsigned.
        p_sum_bits, q_sum_bits: widths of the sums z_p and z_q, unsigned.
    Ports
        e_p, e_q (in, `lanes` lanes of `e_bits` bits), e_valid (in, 1 bit): a beat is read while `e_valid` is high.
        z_p (in, `p_sum_bits` bits), z_q (in, `q_sum_bits` bits): must stand while beats come.
        w (out, `lanes` lanes of `e_bits + q_sum_bits` bits), w_valid (out, 1 bit): the weights of a beat, `latency`
            clocks after it. The receiver cannot stall the block.
        A reset drops the beats that are inside.
    Timing
        `latency` and `pace`.
    Golden counterpart
        `hc1gen.golden.accept.residual_distribution`.
    Source
        Leviathan, Kalman, Matias 2023, "Fast inference from transformers via speculative decoding".
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
