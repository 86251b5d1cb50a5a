"""A baked chip, read back from its folder."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..backend.folder.chip_folder import ChipFolder
from ..frontend.tokenizer import Tokenizer
from ..golden.chip import GoldenChip
from ..golden.model import GoldenModel
from ..quant import saved
from ..quant.quantized import QuantizedModel


@dataclass(frozen=True)
class Baked:
    """What was baked, in its formats, and what is needed to talk to it; without a draft, `ahead` is 0."""

    folder: Path
    model: QuantizedModel
    draft: QuantizedModel | None
    ahead: int
    tokenizer: Tokenizer
    context: int

    @classmethod
    def load(cls, folder: Path) -> "Baked":
        """`InputError` where `folder` is no baked chip or is damaged."""
        chip = ChipFolder.read(folder)
        manifest, model = chip.manifest, saved.load(chip.model)
        draft = None if chip.draft_model is None else saved.load(chip.draft_model)
        ahead = 0 if manifest.draft is None else manifest.draft.ahead
        tokenizer = Tokenizer.load(chip.tokenizer.parent, model.model)
        return cls(folder, model, draft, ahead, tokenizer, manifest.context)

    @cached_property
    def golden(self) -> GoldenChip:
        """What the chip is to equal."""
        draft = None if self.draft is None else GoldenModel(self.draft, self.context)
        return GoldenChip(GoldenModel(self.model, self.context), draft, self.ahead)
