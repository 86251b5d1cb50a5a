"""What passes over the serial line between a host and a chip on a board.

To the board, for each prompt: `HEADER_BYTES` of settings (limit 2, temperature 2, seed 8, speculate 1), then 2 bytes
per token, the highest bit set with the last one. From the board, for each token: the chip's `out__payload` in whole
bytes, then 4 bytes `clocks`. Everything is least significant byte first. The host sends a prompt when the answer before
it has ended; in between, the chip takes tokens faster than a line brings them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import InputError, problem
from ...quant.numerics import TEMPERATURE_BITS
from ...settings import LIMIT_BITS, SEED_BITS, Settings

TOKEN_BITS = 16
"""Of a prompt's token on the line, its end marker included."""
SPECULATE_BITS = 8
CLOCKS_BITS = 32
HEADER_BYTES = (LIMIT_BITS + TEMPERATURE_BITS + SEED_BITS + SPECULATE_BITS) // 8


@dataclass(frozen=True)
class Link:
    """The line to a chip with tokens of `token_bits`, with a draft or without. `InputError` for tokens too large."""

    token_bits: int
    draft: bool

    def __post_init__(self) -> None:
        if self.token_bits >= TOKEN_BITS:
            expected = f"at most {TOKEN_BITS - 1} bits"
            raise InputError(
                "serial link", problem("tokens", f"{self.token_bits} bits", expected, "bake another model")
            )

    @property
    def out_bits(self) -> int:
        """Of the chip's `out__payload`: token, last, reason; with a draft outcome and proposal."""
        return self.token_bits + 3 + (2 + self.token_bits if self.draft else 0)

    @property
    def out_bytes(self) -> int:
        """From the board for a token."""
        return -(-self.out_bits // 8) + CLOCKS_BITS // 8

    def prompt(self, tokens: Sequence[int], settings: Settings) -> bytes:
        """What the host sends."""
        fields = ((settings.limit, LIMIT_BITS), (settings.temperature, TEMPERATURE_BITS), (settings.seed, SEED_BITS),
                  (int(settings.speculate), SPECULATE_BITS))  # fmt: skip
        words = [(token, TOKEN_BITS) for token in tokens[:-1]] + [(tokens[-1] | 1 << TOKEN_BITS - 1, TOKEN_BITS)]
        return b"".join(value.to_bytes(bits // 8, "little") for value, bits in (*fields, *words))

    def answer(self, received: bytes) -> list[tuple[int, int]]:
        """Words of `out__payload` and of `clocks`, one pair per token."""
        size, clocks = self.out_bytes, CLOCKS_BITS // 8
        words = [received[i : i + size] for i in range(0, len(received) - size + 1, size)]
        return [(int.from_bytes(w[:-clocks], "little"), int.from_bytes(w[-clocks:], "little")) for w in words]
