"""The acceptance test of speculative sampling: whether the target accepts a token that the draft proposes."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..numeric.numerics import RANDOM_BITS
from .multiplier import Multiplier


class Accept(wiring.Component):
    """Decides whether a proposal is accepted: random / 2**random_bits < p / q, p from the target, q from the draft.

    The probabilities are p = e_p / z_p and q = e_q / z_q. The block has no divider. It compares
    `random * e_q * z_p < (e_p * z_q) << random_bits`. The low `random_bits` bits of the right side are zeros, so the
    low bits of the left side cannot change the result, and only the high bits are compared.

    Parameters
        e_bits: width of an exponential, unsigned.
        p_sum_bits, q_sum_bits: widths of the sums of the target's and of the draft's exponentials, unsigned.
        random_bits: width of the random number.
    Ports
        start (in, 1 bit): a pulse that starts a test. All other inputs must stand from this clock until `done`.
        e_p (in, `e_bits` bits), z_p (in, `p_sum_bits` bits): the target's exponential of the proposal, and the sum.
        e_q (in, `e_bits` bits), z_q (in, `q_sum_bits` bits): the same of the draft. `e_q` is above 0, because the draft
            never proposes a token whose exponential is 0.
        random (in, `random_bits` bits): the random number of the test.
        done (out, 1 bit): a pulse, `latency` clocks after `start`.
        accepted (out, 1 bit): the result. It stands from `done` until the next `start`.
        A reset ends a test without `done`.
    Timing
        `latency`.
    Golden counterpart
        `hc1gen.golden.accept.accept`.
    Source
        Leviathan, Kalman, Matias 2023, "Fast inference from transformers via speculative decoding".
    """

    def __init__(self, e_bits: int, p_sum_bits: int, q_sum_bits: int, random_bits: int = RANDOM_BITS):
        self.random_bits = random_bits
        self._p = Multiplier(e_bits, q_sum_bits)
        self._q = Multiplier(e_bits, p_sum_bits)
        self._scaled = Multiplier(random_bits, e_bits + p_sum_bits)
        super().__init__(
            {
                "start": In(1),
                "e_p": In(e_bits),
                "z_p": In(p_sum_bits),
                "e_q": In(e_bits),
                "z_q": In(q_sum_bits),
                "random": In(random_bits),
                "done": Out(1),
                "accepted": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from `start` to `done`."""
        return self._q.latency + self._scaled.latency

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.p = p = self._p
        m.submodules.q = q = self._q
        m.submodules.scaled = scaled = self._scaled
        m.d.comb += [
            p.start.eq(self.start),
            p.a.eq(self.e_p),
            p.b.eq(self.z_q),
            q.start.eq(self.start),
            q.a.eq(self.e_q),
            q.b.eq(self.z_p),
            scaled.start.eq(q.done),
            scaled.a.eq(self.random),
            scaled.b.eq(q.product),
            self.done.eq(scaled.done),
            self.accepted.eq(scaled.product[self.random_bits :] < p.product),
        ]
        return m
