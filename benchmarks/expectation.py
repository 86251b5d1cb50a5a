"""What speculation makes of the clocks that `hc1gen.rtl.clocks` adds up, on average; `speculation.py` measures it."""

from dataclasses import dataclass

from hc1gen.rtl import clocks
from hc1gen.rtl.exponentials import Exponentials
from hc1gen.rtl.transformer import Transformer


@dataclass(frozen=True)
class Speculation:
    """What decides how fast a speculating chip is: `accepted` proposals in a round, `position` in the text, whether it
    is `greedy`, and in which `beat` of the vocabulary its tokens are, on average."""

    accepted: float
    position: int
    greedy: bool
    beat: float

    def plain_clocks(self, target: Transformer) -> float:
        """Clocks of a token without speculation."""
        if self.greedy:
            return clocks.total(clocks.greedy_token(target, self.position))
        return self._passed(target) + clocks.total(clocks.drawn_choice(target, 0)) + self._found

    def proposal_clocks(self, draft: Transformer) -> float:
        """From the issue of a token to that of the draft's proposal for the next."""
        return self.plain_clocks(draft)

    def pass_clocks(self, target: Transformer) -> float:
        """From the issue of a token that is not accepted in its turn to the issue of its replacement."""
        if self.greedy:
            return self.plain_clocks(target)
        return self._passed(target) + clocks.total(clocks.rejected_choice(target, 0)) + self._found

    def clocks(self, target: Transformer, draft: Transformer) -> float:
        """Clocks of a token: a round is a pass of the target, and a proposal of the draft for every accepted one."""
        whole = self.pass_clocks(target) + self.accepted * self.proposal_clocks(draft)
        return whole / (1 + self.accepted)

    def _passed(self, target: Transformer) -> int:
        return clocks.total(clocks.logits(target, self.position))

    @property
    def _found(self) -> float:
        """From the vocabulary's first beat to that of the token, where it is looked for."""
        return self.beat * Exponentials.pace
