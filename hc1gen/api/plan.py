"""A chip before it is written: its network, its tiles, what it takes, and what it will say."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..backend.bake import bake
from ..backend.folder.modules import BOTH
from ..errors import InputError, problem
from ..golden.chip import GoldenChip, Token
from ..golden.model import GoldenModel
from ..network import Network
from ..progress import Progress, silent
from ..rtl.chip import Chip
from ..rtl.tiles import VIEWS, Tile
from .answer import TOKENS, Answer, Prompt, golden_answer
from .baked import BakedChip
from .costs import Costs, token_clocks

if TYPE_CHECKING:
    from .quantised import CalibratedModel

FABRICS = (*VIEWS, BOTH)
"""How tiles can be written."""


@dataclass(frozen=True, eq=False)
class ChipPlan:
    """A chip that can be baked; `CalibratedModel.plan` makes it.

    target, draft: its models, draft being None on a chip without one; hardware: all of its parts, as the generator has
    them.
    """

    target: "CalibratedModel"
    draft: "CalibratedModel | None"
    hardware: Chip

    @property
    def context(self) -> int:
        """Positions of a text."""
        return self.target.context

    @property
    def ahead(self) -> int:
        """Tokens that the draft may run ahead; 0 without a draft."""
        return self.hardware.ahead

    @property
    def network(self) -> Network:
        """The target as one list of nodes, with the orders, widths and formats of each."""
        return self.hardware.target.network

    def tiles(self) -> Iterator[Tile]:
        """Every CMVM tile, the target's and then the draft's, in the order of the data, made one at a time."""
        for transformer in self.hardware.transformers:
            yield from transformer.tiles()

    @cached_property
    def costs(self) -> Costs:
        """What the target takes."""
        return Costs.of(self.hardware.target)

    @cached_property
    def draft_costs(self) -> Costs | None:
        """What the draft takes; None on a chip without one."""
        return None if self.hardware.draft is None else Costs.of(self.hardware.draft)

    def clocks(self, position: int) -> int:
        """Clocks from one greedy token, which takes this position in the text, to the next, without speculation.

        position: 0 to context - 1, the prompt's tokens counted. The simulated chip takes just as many. Raises
        `InputError` for a position outside the context.
        """
        if not 0 <= position < self.context:
            expected = f"0..{self.context - 1}"
            raise InputError("clocks", problem("position", position, expected, "choose one in the context"))
        return token_clocks(self.hardware.target, position).clocks

    @cached_property
    def golden_chip(self) -> GoldenChip:
        """The golden model of the chip, in numpy."""
        models = [GoldenModel(each.integers, self.context) for each in (self.target, self.draft) if each is not None]
        return GoldenChip(models[0], models[1] if self.draft else None, self.ahead)

    def golden(
        self, prompt: str, tokens: int = TOKENS, temperature: float = 0.0, seed: int = 0, speculate: bool = True,
        *, on_token: Callable[[Token], None] | None = None,
    ) -> Answer:  # fmt: skip
        """What the chip will say, token for token; arguments as in `BakedChip.golden`."""
        tokenizer = self.target.model.tokenizer
        asked = Prompt.of(prompt, tokenizer, self.context)
        return golden_answer(
            self.golden_chip, tokenizer, asked, asked.settings(tokens, temperature, seed, speculate), on_token
        )

    def bake(self, out: str | Path, fabric: str = "behavioural", progress: Progress = silent) -> BakedChip:
        """Write the chip to folder `out`, whole or not at all; the same input gives the same bytes.

        fabric: how the tiles are written: `behavioural` to simulate, `structural` to synthesise, or `both`. A folder
        that an earlier bake has made is replaced, unless files in it were added or changed; its simulators are kept.
        Raises `InputError` before anything is written where `out` cannot be used or there is no such fabric.
        """
        if fabric not in FABRICS:
            raise InputError("bake", problem("fabric", fabric, " or ".join(FABRICS), "choose one of these"))
        return BakedChip(bake(self.hardware, Path(out), self.target.model.tokenizer_json, progress, fabric))
