"""What passes over the serial line between a host and a chip on a board.

To the board, for each prompt: `HEADER_BYTES` of settings (limit 2, temperature 2, seed 8, speculate 1), then 2 bytes
per token, the highest bit set with the last one. From the board, for each token: the chip's `out__payload` in whole
bytes, then 4 bytes `clocks`. Everything is least significant byte first. The host sends a prompt when the answer before
it has ended; in between, the chip takes tokens faster than a line brings them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.lib import data

from ...errors import InputError, problem
from ...numeric.numerics import TEMPERATURE_BITS
from ...rtl.payloads import output_token, prompt_token, to_bits
from ...rtl.sequencer import CLOCKS_BITS
from ...settings import LIMIT_BITS, SEED_BITS, Settings

SETTINGS = data.StructLayout(
    {"limit": LIMIT_BITS, "temperature": TEMPERATURE_BITS, "seed": SEED_BITS, "speculate": 8}
)  # fmt: skip
"""What is on the line before a prompt."""
TOKEN = prompt_token(15)
"""A prompt's token on the line."""
HEADER_BYTES, TOKEN_BYTES = SETTINGS.size // 8, TOKEN.size // 8


@dataclass(frozen=True)
class Link:
    """The line to a chip with tokens of `token_bits`, with a draft or without. `InputError` for tokens too large."""

    token_bits: int
    draft: bool

    def __post_init__(self) -> None:
        most = TOKEN["token"].width
        if self.token_bits > most:
            expected = f"at most {most} bits"
            raise InputError(
                "serial link", problem("tokens", f"{self.token_bits} bits", expected, "bake another model")
            )

    @property
    def said(self) -> data.StructLayout:
        """What the board sends for a token: the chip's `out`, in whole bytes, and its `clocks`."""
        out = output_token(self.token_bits, self.draft)
        return data.StructLayout({"out": out, "padding": -out.size % 8, "clocks": CLOCKS_BITS})

    @property
    def out_bytes(self) -> int:
        """From the board for a token."""
        return self.said.size // 8

    def prompt(self, tokens: Sequence[int], settings: Settings) -> bytes:
        """What the host sends. `ValueError` for no token, or for a token or a setting that does not fit its bits."""
        *first, last = tokens
        words = [*(to_bits(TOKEN, {"token": token}) for token in first), to_bits(TOKEN, {"token": last, "last": 1})]
        header = to_bits(SETTINGS, vars(settings)).to_bytes(HEADER_BYTES, "little")
        return header + b"".join(each.to_bytes(TOKEN_BYTES, "little") for each in words)

    def answer(self, received: bytes) -> list[tuple[int, int]]:
        """Words of `out__payload` and of `clocks`, one pair per token."""
        size, layout = self.out_bytes, self.said
        starts = range(0, len(received) - size + 1, size)
        words = [layout.from_bits(int.from_bytes(received[i : i + size], "little")) for i in starts]
        return [(w.out.as_bits(), w.clocks) for w in words]
