"""What a flow has to know of a chip."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ...rtl.memory import READ_LATENCY

SIZE = re.compile(r"^// (\d+) words of (\d+) bits", re.MULTILINE)


@dataclass(frozen=True)
class Memory:
    """Module `name`: `words` of `bits`; one write port, one read port, a word read one clock after `read_en`."""

    name: str
    words: int
    bits: int

    @classmethod
    def read(cls, name: str, verilog: str) -> "Memory":
        """From its module's text, whose header says the size."""
        match = SIZE.search(verilog)
        if match is None:
            raise ValueError(f"memory {name}: its Verilog does not say its size")
        return cls(name, int(match[1]), int(match[2]))

    def __str__(self) -> str:
        ports = f"one write port, one read port, latency {READ_LATENCY}"
        return f"{self.name}: {self.words} words of {self.bits} bits, {ports}"


@dataclass(frozen=True)
class Design:
    """sources: Verilog files for synthesis, relative to the chip's folder; tiles: modules to be hardened on their own;
    memories: modules that become SRAM macros and never flip-flops.
    """

    sources: Sequence[str]
    tiles: Sequence[str]
    memories: Sequence[Memory]

    def block(self, tile: str) -> list[str]:
        """Files of a tile; its own is the last one, before it the adders of the structural view."""
        return [*self._adders, next(path for path in self.sources if PurePosixPath(path).stem == tile)]

    @property
    def logic(self) -> list[str]:
        """Files of everything that is neither tile nor memory."""
        macros = {*self.tiles, *(memory.name for memory in self.memories)}
        return [p for p in self.sources if PurePosixPath(p).stem not in macros and p not in self._adders]

    @property
    def _adders(self) -> list[str]:
        return [path for path in self.sources if PurePosixPath(path).name == "adders.v"]
