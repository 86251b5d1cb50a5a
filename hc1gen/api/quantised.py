"""A model in the chip's integers, calibrated."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InputError, problem
from ..quant.quantized import QuantizedModel
from ..rtl import assemble
from .choices import choose
from .plan import ChipPlan

if TYPE_CHECKING:
    from .model import Model


@dataclass(frozen=True, eq=False)
class CalibratedModel:
    """The integers of a model and the formats that fit them; `Model.quantize` makes it.

    model: what was quantised; integers: every weight, gain and scale; context: positions of a text;
    calibration_tokens: how many tokens the formats were chosen on.
    """

    model: "Model"
    integers: QuantizedModel
    context: int
    calibration_tokens: int

    def plan(
        self, lanes: int | None = None, kv_heads_per_clock: int | None = None, draft: "CalibratedModel | None" = None,
        ahead: int | None = None,
    ) -> ChipPlan:  # fmt: skip
        """A chip of this model. Nothing is written.

        lanes: elements of the residual stream in a clock, by default 8, or the width of a narrower model;
        kv_heads_per_clock: KV heads that attention handles at once, by default all; draft: a smaller model that
        proposes tokens, quantised for the same context and with the same widths; ahead: tokens that it may run ahead,
        by default 8, or what the context allows. Raises `InputError` for every choice that does not fit the models.
        """
        if draft is not None and draft.context != self.context:
            todo = "quantise both for the same context"
            raise InputError("draft", problem("context", draft.context, f"the target's, {self.context}", todo))
        proposer = None if draft is None else draft.model
        choices = choose(self.model, proposer, self.context, lanes, kv_heads_per_clock, ahead)
        hardware = assemble.chip(
            self.integers, self.context, choices.lanes, kv_heads_per_clock, None if draft is None else draft.integers,
            choices.ahead,
        )  # fmt: skip
        hardware.verify()
        return ChipPlan(self, draft, hardware)
