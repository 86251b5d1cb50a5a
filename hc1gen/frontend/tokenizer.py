"""Text to token ids and back, as tokenizer.json says, with exactly one BOS and no silent losses."""

import json
import re
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import tokenizers

from hc1gen.errors import InputError
from hc1gen.frontend.model import ModelConfig

UNFINISHED = "\ufffd"  # what an incomplete multi-byte character decodes to


class Tokenizer:
    """The tokenizer of one model. Build it with `Tokenizer.load`."""

    def __init__(self, inner: tokenizers.Tokenizer, config: ModelConfig, where: Path):
        self._inner = inner
        self._config = config
        self._where = where
        self._unknown = _unknown_id(inner)

    @classmethod
    def load(cls, folder: str | Path, config: ModelConfig) -> "Tokenizer":
        """Reads `tokenizer.json` in `folder`. Truncation and padding set there are switched off.

        Raises InputError if the file is missing or corrupt, or has token ids that the model does not have. Fewer
        tokens than the model's vocabulary are fine.
        """
        path = Path(folder) / "tokenizer.json"
        if not path.is_file():
            raise InputError(path, "no such file; the model needs its tokenizer.json beside config.json")
        try:
            inner = tokenizers.Tokenizer.from_str(path.read_text(encoding="utf-8"))
        except Exception as error:  # the library raises nothing narrower
            raise InputError(path, f"not a tokenizer: {error}") from error
        inner.no_truncation()
        inner.no_padding()
        size = max(inner.get_vocab(with_added_tokens=True).values(), default=-1) + 1
        if size > config.vocab:
            raise InputError(path, f"has {size} tokens, the model has {config.vocab}; take the tokenizer of this model")
        return cls(inner, config, path)

    def difference(self, other: "Tokenizer", whose: str = "the draft's") -> str | None:
        """The first thing in which `other` differs, as "what is this, {whose} that"; None where they agree.

        Compared: size of the vocabulary, BOS and EOS of the models, every token, then the rest of tokenizer.json.
        """
        ours, theirs = self._config, other._config
        pairs: list[tuple[str, object, object]] = [
            ("vocabulary size", ours.vocab, theirs.vocab),
            ("BOS", _ids(ours.bos), _ids(theirs.bos)),
            ("EOS", _ids(ours.eos), _ids(theirs.eos)),
        ]
        for what, wanted, found in pairs:
            if wanted != found:
                return f"{what} is {wanted}, {whose} {found}"
        for token in range(ours.vocab):
            a, b = self._inner.id_to_token(token), other._inner.id_to_token(token)
            if a != b:
                return f"token {token} is {a!r}, {whose} {b!r}"
        return _difference("tokenizer", json.loads(self._inner.to_str()), json.loads(other._inner.to_str()), whose)

    def encode(self, text: str) -> list[int]:
        """Token ids of a prompt: BOS once in front if the model has one, whatever the post-processor would add.

        Raises InputError for text outside the vocabulary, naming its first character, and for an empty prompt.
        """
        try:
            encoding = self._inner.encode(text, add_special_tokens=False)
        except Exception as error:  # the library raises nothing narrower
            raise InputError(self._where, f"cannot encode {text!r}: {error}") from error
        self._refuse_unknown(text, encoding)
        ids = list(encoding.ids)
        bos = self._config.bos
        if bos is not None and ids[:1] != [bos]:
            ids.insert(0, bos)
        if not ids:
            raise InputError(self._where, "empty prompt: this model has no BOS, so a prompt needs at least one token")
        return ids

    def encode_text(self, text: str) -> list[int]:
        """Token ids of a text that is no prompt: as `encode`, without the BOS in front."""
        ids = self.encode(text)
        return ids[1:] if ids[:1] == [self._config.bos] else ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, without special tokens. Raises InputError for an id outside the model's vocabulary."""
        for token in ids:
            if not 0 <= token < self._config.vocab:
                raise InputError(self._where, f"token {token} is outside the vocabulary of {self._config.vocab}")
        return self._inner.decode([int(token) for token in ids], skip_special_tokens=True)

    def _refuse_unknown(self, text: str, encoding: tokenizers.Encoding) -> None:
        """Text is lost where it became the unknown token, or (tokenizers without one) no token at all."""
        if not self._loses(text, encoding):
            return
        # Offsets behind a lost character are not to be trusted, so every word is asked on its own.
        for word in re.finditer(r"\S+", text):
            if self._loses_alone(word[0]):
                index = next((i for i, c in enumerate(word[0]) if self._loses_alone(c)), 0)
                problem = f"character {word[0][index]!r} at position {word.start() + index} of the text"
                raise InputError(self._where, f"{problem} is not in the vocabulary; leave it out or write it otherwise")

    def _loses_alone(self, text: str) -> bool:
        return self._loses(text, self._inner.encode(text, add_special_tokens=False))

    def _loses(self, text: str, encoding: tokenizers.Encoding) -> bool:
        """Whether a character of `text` that is not a space has no token of its own."""
        covered: set[int] = set()
        for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
            if token != self._unknown or text[start:end] == self._inner.id_to_token(token):
                covered.update(range(start, end))
        return any(i not in covered and not character.isspace() for i, character in enumerate(text))


class Streamer:
    """Text of tokens as they come: the pieces joined are the decoded whole, for any UTF-8 that the tokens spell."""

    def __init__(self, tokenizer: Tokenizer, prompt: Sequence[int] = ()):
        """`prompt` holds ids that are already printed; spaces come out right behind them."""
        self._tokenizer = tokenizer
        self._ids = list(prompt)
        self._printed = len(tokenizer.decode(self._ids))

    def push(self, token: int) -> str:
        """Takes one more id and returns what can be printed now: nothing while a character is incomplete."""
        self._ids.append(token)
        text = self._tokenizer.decode(self._ids)
        return "" if text.endswith(UNFINISHED) else self._advance(text)

    def finish(self) -> str:
        """What is still held back, with U+FFFD for a character that was never completed."""
        return self._advance(self._tokenizer.decode(self._ids))

    def _advance(self, text: str) -> str:
        piece = text[self._printed :]
        self._printed = len(text)
        return piece


def _unknown_id(inner: tokenizers.Tokenizer) -> int | None:
    """The id that stands for text outside the vocabulary, if the tokenizer has one."""
    model = json.loads(inner.to_str())["model"]
    token = model.get("unk_token")
    return model.get("unk_id") if token is None else inner.token_to_id(token)


def _ids(tokens: int | tuple[int, ...] | None) -> str:
    """Tokens as people read them."""
    return ", ".join(map(str, tokens if isinstance(tokens, tuple) else [] if tokens is None else [tokens])) or "none"


def _difference(path: str, a: Any, b: Any, whose: str) -> str | None:
    """The first difference between two JSON values."""
    if isinstance(a, dict) and isinstance(b, dict):
        pairs = [(f"{path}.{key}", a.get(key), b.get(key)) for key in sorted(a.keys() | b.keys())]
    elif isinstance(a, list) and isinstance(b, list):
        pairs = [(f"{path}[{i}]", x, y) for i, (x, y) in enumerate(zip_longest(a, b))]
    else:
        return None if a == b else f"{path} is {a!r}, {whose} {b!r}"
    return next((found for pair in pairs if (found := _difference(*pair, whose))), None)
