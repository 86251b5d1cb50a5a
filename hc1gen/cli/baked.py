"""A baked chip, read back from its folder."""

from dataclasses import dataclass
from pathlib import Path

from ..backend.bake import MANIFEST, MODEL, is_baked
from ..errors import InputError, problem
from ..frontend.jsonfile import read_object
from ..frontend.tokenizer import Tokenizer
from ..quant import saved
from ..quant.quantized import QuantizedModel


@dataclass(frozen=True)
class Baked:
    """The model that was baked, in its formats, and what is needed to talk to it."""

    folder: Path
    model: QuantizedModel
    tokenizer: Tokenizer
    context: int

    @classmethod
    def load(cls, folder: Path) -> "Baked":
        """`InputError` where `folder` is no baked chip or is damaged."""
        if not folder.is_dir():
            raise InputError(folder, "no such folder; run hc1gen bake first")
        if not is_baked(folder):
            raise InputError(folder, f"not a baked chip (no {MANIFEST} of hc1gen); run hc1gen bake first")
        context = read_object(folder / MANIFEST).get("context")
        if not isinstance(context, int) or context < 1:
            raise InputError(folder / MANIFEST, problem("context", context, "at least 1", "bake the chip again"))
        model = saved.load(folder / MODEL)
        return cls(folder, model, Tokenizer.load(folder, model.model), context)
