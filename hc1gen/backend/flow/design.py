"""What a flow has to know of a chip."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..folder.modules import MemoryModule, Module, SharedModule, TileModule


@dataclass(frozen=True)
class Design:
    """modules: the Verilog files for synthesis, each tile in one view. Tiles are hardened on their own; memories become
    SRAM macros and never flip-flops.
    """

    modules: Sequence[Module]

    @property
    def tiles(self) -> list[str]:
        """Modules that are hardened."""
        return [module.name for module in self.modules if isinstance(module, TileModule)]

    @property
    def memories(self) -> list[MemoryModule]:
        return [module for module in self.modules if isinstance(module, MemoryModule)]

    def block(self, tile: str) -> list[str]:
        """Files of a tile, relative to the chip's folder; its own is the last one, before it the adders it may need."""
        own = [module.path for module in self.modules if isinstance(module, TileModule) and module.name == tile]
        return [module.path for module in self.modules if isinstance(module, SharedModule)] + own

    @property
    def logic(self) -> list[str]:
        """Files of everything that is neither tile nor memory."""
        macros = TileModule | MemoryModule | SharedModule
        return [module.path for module in self.modules if not isinstance(module, macros)]


def told(memory: MemoryModule) -> str:
    """A memory as whoever has to find a macro for it wants to know it."""
    return f"{memory.name}: {memory.words} words of {memory.bits} bits, one write port, one read port, latency 1"
