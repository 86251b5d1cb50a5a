"""Whether the token that the draft proposes stays."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..numeric.numerics import RANDOM_BITS
from .multiplier import Multiplier


class Accept(wiring.Component):
    """`golden.accept.accept`: `random / 2**random_bits < p / q`, strictly, where p = e_p / z_p and q = e_q / z_q.

    start: a pulse; the numbers stand from it until `done`. `e_q > 0`, as no other token is proposed.
    done: a pulse, `latency` clocks after `start`. accepted: stands from `done` until the next start.

    No divider: `random * e_q * z_p < (e_p * z_q) << random_bits`. The right side is an integer above its
    `random_bits` zeros, so the low bits of the left side cannot matter.
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
