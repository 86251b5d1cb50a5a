"""A prompt on the command line: what it becomes, what is refused, and the text that comes back."""

from dataclasses import dataclass

from ..errors import InputError, problem
from ..frontend.tokenizer import Streamer, Tokenizer
from .output import Output


@dataclass(frozen=True)
class Request:
    """Token ids of a prompt, and how many tokens may follow (0: until the context is full)."""

    text: str
    ids: list[int]
    limit: int


def request(output: Output, tokenizer: Tokenizer, prompt: str, tokens: int, context: int) -> Request:
    """A prompt that fits the context; more tokens than fit are cut, with a note."""
    ids = tokenizer.encode(prompt)
    if len(ids) > context:
        raise InputError(
            "--prompt", problem("length", f"{len(ids)} tokens", f"at most {context}", "shorten the prompt")
        )
    room = context - len(ids) + 1  # the last token needs no position
    if tokens > room:
        output.note(f"at most {room} tokens follow: the context has {context} positions, the prompt takes {len(ids)}")
        return Request(prompt, ids, 0)
    return Request(prompt, ids, tokens)


class Voice:
    """Says tokens as they come, behind their prompt; `text` is what was said so far."""

    def __init__(self, output: Output, tokenizer: Tokenizer, asked: Request, eos: tuple[int, ...]):
        self.text = ""
        self._output, self._eos = output, eos
        self._streamer = Streamer(tokenizer, asked.ids)
        output.text(asked.text)

    def say(self, token: int) -> None:
        """One more token; EOS is silent."""
        if token not in self._eos:
            self._add(self._streamer.push(token))

    def end(self) -> None:
        """The rest of an unfinished character, and the end of the line."""
        self._add(self._streamer.finish())
        self._output.line()

    def _add(self, piece: str) -> None:
        self.text += piece
        self._output.text(piece)
