"""The golden chip: prompts in, tokens out, greedy or sampled, with or without a draft model.

Every random number is a function of the seed, of the position of the last token of the text so far, and of the model
that uses it. So the text does not depend on timing, such as how far the draft is ahead, and the chip's text can equal
this one bit for bit.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..numeric.numerics import Numerics
from ..outcome import Outcome
from ..reason import Reason
from ..settings import GREEDY, Settings
from . import sampler
from .accept import accept, residual_distribution
from .model import GoldenModel, Session
from .threefry import Stream

AHEAD = 8
"""Tokens that the draft may run ahead of the target, by default."""


@dataclass(frozen=True)
class Token:
    """One generated token. last, reason: whether and why it ends the answer.

    proposal: the draft's proposal for the same place; None if `outcome` is SAMPLED.
    """

    token: int
    last: bool
    reason: Reason
    outcome: Outcome = Outcome.SAMPLED
    proposal: int | None = None


@dataclass(frozen=True)
class Distribution:
    """A distribution over the vocabulary: integer exponentials e [V], and their sum z."""

    e: np.ndarray
    z: int

    @classmethod
    def of(cls, logits: np.ndarray, slope: int, n: Numerics) -> "Distribution":
        """Returns the distribution of logits [V]. slope: `sampler.slope` of the temperature."""
        e = sampler.exponentials(logits, slope, n)
        return cls(e, int(e.sum()))


def verify(p: Distribution, q: Distribution, proposal: int, random: tuple[int, int]) -> tuple[int, Outcome]:
    """Returns the target's token and its outcome for a proposal that the draft has drawn from `q`.

    p: the target's distribution. random: the random numbers of the acceptance test and of the target's draw.
    """
    if accept(random[0], int(p.e[proposal]), p.z, int(q.e[proposal]), q.z):
        return proposal, Outcome.ACCEPTED
    return sampler.draw(residual_distribution(p.e, p.z, q.e, q.z), random[1]), Outcome.REJECTED


class GoldenChip:
    """A chip with a target, and with a draft that may run `ahead` tokens ahead of it. `draft` may be None."""

    def __init__(self, target: GoldenModel, draft: GoldenModel | None = None, ahead: int = AHEAD):
        self.target, self.draft, self.ahead = target, draft, ahead

    def generate(self, prompt: list[int], settings: Settings = GREEDY) -> Iterator[Token]:
        """Yields the tokens after `prompt` (at least one token id) until EOS, the limit, or a full context.

        A prompt longer than the context is cut to the context. In a round of speculation the draft proposes up to
        `ahead` tokens. If the target accepts all of them, it chooses the next token alone. A rejection ends the round.
        """
        draft = self.draft if settings.speculate else None
        p, q = Voice(self.target, 1, settings), Voice(draft, 0, settings) if draft else None
        tokens, accepted = np.array(prompt[: self.target.context]), 0
        for count in range(1, self.target.context + 1):
            p.hear(tokens)
            if q:
                q.hear(tokens)
            if q and accepted < self.ahead:
                token, outcome, proposal = self._verified(p, q)
            else:
                token, outcome, proposal = p.choice(), Outcome.SAMPLED, None
            accepted = accepted + 1 if outcome == Outcome.ACCEPTED else 0
            reason = self._reason(token, count, p.session.length, settings.limit)
            yield Token(token, reason != Reason.MORE, reason, outcome, proposal)
            if reason != Reason.MORE:
                return
            tokens = np.array([token])

    def _verified(self, p: "Voice", q: "Voice") -> tuple[int, Outcome, int]:
        proposal = q.choice()
        if p.settings.temperature == 0:
            token = p.choice()
            return token, Outcome.ACCEPTED if token == proposal else Outcome.REJECTED, proposal
        return *verify(p.distribution, q.distribution, proposal, p.random), proposal

    def _reason(self, token: int, count: int, length: int, limit: int) -> Reason:
        if token in self.target.model.model.eos:
            return Reason.EOS
        if count == limit:
            return Reason.LIMIT
        return Reason.FULL if length == self.target.context else Reason.MORE


class Voice:
    """One model with the text so far: it gives the distribution of the next token, and its own choice."""

    def __init__(self, golden: GoldenModel, which: int, settings: Settings):
        self.golden, self.settings = golden, settings
        self.session: Session = golden.session()
        self.distribution: Distribution
        """The distribution of the next token. It is set by `hear`, at a temperature above 0."""
        self._stream = Stream(settings.seed, which)
        self._slope = sampler.slope(settings.temperature, golden.n) if settings.temperature else 0
        self._logits = np.empty(0)

    def hear(self, tokens: np.ndarray) -> None:
        """Adds the next tokens of the text, ids [T], and computes the logits of the token after them."""
        self._logits = self.session.forward(tokens)[-1]
        if self.settings.temperature:
            self.distribution = Distribution.of(self._logits, self._slope, self.golden.n)

    @property
    def random(self) -> tuple[int, int]:
        """The two random numbers for the next token, as `Stream.at` returns them."""
        return self._stream.at(self.session.length - 1)

    def choice(self) -> int:
        """The model's own choice of the next token: the most likely one at temperature 0, otherwise a draw."""
        if self.settings.temperature == 0:
            return sampler.argmax(self._logits)
        return sampler.draw(self.distribution.e, self.random[self._stream.which])
