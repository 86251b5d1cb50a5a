"""What a chip's user chooses of its shape, defaults filled in, before anything is computed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InputError, problem
from ..golden.chip import AHEAD
from ..network import Plan
from ..numeric.config import Formats, NumericConfig
from ..numeric.numerics import Numerics
from ..rtl.assemble import draft_kv_heads
from ..rtl.chip import DRAFT

if TYPE_CHECKING:
    from .model import Model

CONTEXT, LANES = 512, 8
"""Of a chip for which nothing else is asked, and whose models are large enough."""


@dataclass(frozen=True)
class Choices:
    """context: positions of a text; lanes: elements of a beat of the residual stream; kv_heads_per_clock: KV heads that
    attention handles at once, None for all; ahead: tokens that the draft may run ahead, 0 without a draft."""

    context: int
    lanes: int
    kv_heads_per_clock: int | None
    ahead: int


def choose(
    target: "Model", draft: "Model | None" = None, context: int | None = None, lanes: int | None = None,
    kv_heads_per_clock: int | None = None, ahead: int | None = None,
) -> Choices:  # fmt: skip
    """The choices, with defaults for what is None. `InputError` for all that does not fit the models."""
    models = [target] if draft is None else [target, draft]
    positions = min(default_context(each) if context is None else context for each in models)
    width = default_lanes([each.ir.config.hidden for each in models]) if lanes is None else lanes
    if draft is not None:
        check_tokenizers(target, draft)
    heads = target.ir.config.kv_heads if kv_heads_per_clock is None else kv_heads_per_clock
    _check_plan(target, positions, width, heads, "")
    if draft is not None:
        heads = draft_kv_heads(kv_heads_per_clock, draft.ir.config)
        _check_plan(draft, positions, width, heads, DRAFT)
    steps = steps_ahead(ahead, positions, draft is not None)
    return Choices(positions, width, kv_heads_per_clock, steps)


def default_context(model: "Model") -> int:
    """Positions of the model, at most CONTEXT."""
    return min(model.ir.config.max_positions, CONTEXT)


def default_lanes(widths: Sequence[int]) -> int:
    """LANES, or the width of a narrower model."""
    return min(LANES, *widths)


def check_tokenizers(target: "Model", draft: "Model") -> None:
    """`InputError` that names the first difference unless both have the same tokenizer, vocabulary, BOS and EOS."""
    difference = target.tokenizer.difference(draft.tokenizer)
    if difference is not None:
        todo = "take a draft trained with the target's tokenizer"
        raise InputError(draft.path, f"the draft differs from the target: {difference}; {todo}")


def steps_ahead(wanted: int | None, context: int, draft: bool) -> int:
    """How far a draft may run ahead: AHEAD, or what the context allows, where nothing is wanted; 0 without a draft."""
    if not draft:
        if wanted is not None:
            raise InputError("ahead", problem("ahead", wanted, "none", "it is for a chip with a draft"))
        return 0
    if context < 2:
        raise InputError("draft", "a context of 1 leaves nothing to propose; leave the draft out")
    if wanted is not None and (type(wanted) is not int or not 1 <= wanted < context):
        raise InputError("ahead", problem("ahead", repr(wanted), f"1..{context - 1}", "it is less than the context"))
    return min(AHEAD, context - 1) if wanted is None else wanted


def _check_plan(model: "Model", context: int, lanes: int, heads: int, prefix: str) -> None:
    """`InputError` with everything that does not fit the shape of the model; formats do not matter to that."""
    shape = model.ir.config
    wide = Formats.wide(shape.layers, shape.kv_heads * shape.head_dim // 2)
    Plan(Numerics(NumericConfig(), wide, shape, context), lanes, heads, prefix).verify()
