"""A prompt on the command line: what it becomes, what is refused, and the text that comes back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ..errors import InputError, problem
from ..frontend.tokenizer import Streamer, Tokenizer
from ..numeric.numerics import TEMPERATURE_FRAC
from ..outcome import Outcome
from ..settings import Settings
from .output import Output


@dataclass(frozen=True)
class Request:
    """Token ids of a prompt, and how they are to be answered; no limit: until the context is full."""

    text: str
    ids: list[int]
    settings: Settings


class Spoken(Protocol):
    """A token that the chip or the golden chip has said."""

    @property
    def token(self) -> int: ...

    @property
    def outcome(self) -> Outcome: ...

    @property
    def proposal(self) -> int | None: ...


def request(output: Output, tokenizer: Tokenizer, prompt: str, tokens: int, context: int, manner: Settings) -> Request:
    """A prompt that fits the context, answered in this manner; more tokens than fit are cut, with a note."""
    ids = tokenizer.encode(prompt)
    if len(ids) > context:
        raise InputError(
            "--prompt", problem("length", f"{len(ids)} tokens", f"at most {context}", "shorten the prompt")
        )
    room = context - len(ids) + 1  # the last token needs no position
    if tokens > room:
        output.note(f"at most {room} tokens follow: the context has {context} positions, the prompt takes {len(ids)}")
        return Request(prompt, ids, replace(manner, limit=0))
    return Request(prompt, ids, replace(manner, limit=tokens))


class Voice:
    """Says tokens as they come, behind their prompt; `text` is what was said so far.

    On a terminal, tokens that the draft proposed are green, and a proposal that was replaced stands struck through
    before its replacement.
    """

    def __init__(self, output: Output, tokenizer: Tokenizer, asked: Request, eos: tuple[int, ...]):
        self.text = ""
        self._output, self._tokenizer, self._eos = output, tokenizer, eos
        self._ids = list(asked.ids)
        self._streamer = Streamer(tokenizer, asked.ids)
        output.text(asked.text)

    def say(self, spoken: Spoken) -> None:
        """One more token; EOS is silent."""
        if spoken.outcome == Outcome.REJECTED and spoken.proposal is not None and self._output.styled:
            self._strike(spoken.proposal)
        if spoken.token not in self._eos:
            self._ids.append(spoken.token)
            self._add(self._streamer.push(spoken.token), "green" if spoken.outcome == Outcome.ACCEPTED else "")

    def end(self) -> None:
        """The rest of an unfinished character, and the end of the line."""
        self._add(self._streamer.finish())
        self._output.line()

    def _add(self, piece: str, style: str = "") -> None:
        self.text += piece
        self._output.text(piece, style)

    def _strike(self, proposal: int) -> None:
        """On one line whatever it holds; nothing where it is EOS or a part of a character."""
        if proposal not in self._eos:
            piece = Streamer(self._tokenizer, self._ids).push(proposal)
            self._output.text(piece.replace("\n", "\\n"), "dim red strike")


def manner_fields(settings: Settings, draft: bool) -> dict[str, Any]:
    """JSON fields: how tokens were chosen; `draft`: whether there is one."""
    return {
        "mode": "sample" if settings.temperature else "greedy",
        "temperature": settings.temperature / (1 << TEMPERATURE_FRAC),
        "seed": settings.seed,
        "speculation": settings.speculate and draft,
    }


def proposal_fields(spoken: Sequence[Spoken], settings: Settings, draft: bool) -> dict[str, Any]:
    """JSON fields: what became of the draft's proposals.

    A pass of the target ends with a token that is not the draft's, or with the answer.
    """
    outcomes = [token.outcome for token in spoken]
    accepted, rejected = outcomes.count(Outcome.ACCEPTED), outcomes.count(Outcome.REJECTED)
    passes = len(outcomes) - accepted + (outcomes[-1] == Outcome.ACCEPTED)
    asked = settings.speculate and draft and accepted + rejected > 0
    return {
        "acceptance_rate": round(accepted / (accepted + rejected), 4) if asked else None,
        "tokens_per_pass": round(len(outcomes) / passes, 3) if asked else None,
        "outcomes": [outcome.name.lower() for outcome in outcomes] if draft else None,
        "proposals": [token.proposal for token in spoken] if draft else None,
    }


def told_manner(fields: dict[str, Any]) -> str:
    """The fields of `manner_fields` for people."""
    if fields["mode"] == "greedy":
        return "greedily"
    return f"at random, temperature {fields['temperature']:.4g}, seed {fields['seed']}"


def told_proposals(fields: dict[str, Any]) -> str:
    """The fields of `proposal_fields` for people, where the draft has proposed something."""
    rate, tokens = fields["acceptance_rate"], fields["tokens_per_pass"]
    return f"{rate:.0%} of the draft's proposals accepted, {tokens:.2f} tokens per pass of the target"
