"""A baked chip, read back from its folder."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..backend.bake import DRAFT_MODEL, FORMAT, MANIFEST, MODEL, is_baked
from ..errors import InputError, problem
from ..frontend.jsonfile import read_object
from ..frontend.tokenizer import Tokenizer
from ..golden.chip import GoldenChip
from ..golden.model import GoldenModel
from ..quant import saved
from ..quant.quantized import QuantizedModel

AGAIN = "bake the chip again"


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
        if not folder.is_dir():
            raise InputError(folder, "no such folder; run hc1gen bake first")
        if not is_baked(folder):
            raise InputError(
                folder, f"not a baked chip: {MANIFEST} is missing, damaged or not hc1gen's; run hc1gen bake first"
            )
        manifest = read_object(folder / MANIFEST)
        if manifest.get("format") != FORMAT:
            raise InputError(folder / MANIFEST, problem("format", manifest.get("format"), FORMAT, AGAIN))
        context = manifest.get("context")
        if not isinstance(context, int) or context < 1:
            raise InputError(folder / MANIFEST, problem("context", context, "at least 1", AGAIN))
        proposer = manifest.get("draft", 0)
        if proposer is not None and not isinstance(proposer, dict):
            raise InputError(folder / MANIFEST, problem("draft", proposer or "nothing", "one or null", AGAIN))
        ahead = 0 if proposer is None else proposer.get("ahead")
        if not isinstance(ahead, int) or (proposer is not None and ahead < 1):
            raise InputError(folder / MANIFEST, problem("ahead of the draft", ahead, "at least 1", AGAIN))
        model = saved.load(folder / MODEL)
        draft = None if proposer is None else saved.load(folder / DRAFT_MODEL)
        return cls(folder, model, draft, ahead, Tokenizer.load(folder, model.model), context)

    @cached_property
    def golden(self) -> GoldenChip:
        """What the chip is to equal."""
        draft = None if self.draft is None else GoldenModel(self.draft, self.context)
        return GoldenChip(GoldenModel(self.model, self.context), draft, self.ahead)
