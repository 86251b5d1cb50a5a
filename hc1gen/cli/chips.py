"""From models and options to a chip that can be baked, with bars for what takes time."""

from dataclasses import dataclass
from pathlib import Path

from ..api import Calibration, ChipPlan, Choices, Model, NumericConfig, load
from .output import Output


@dataclass(frozen=True)
class Wanted:
    """A chip that nothing speaks against: its models are read, and the choices fit them."""

    target: Model
    draft: Model | None
    choices: Choices
    config: NumericConfig
    calibration: Calibration

    @classmethod
    def of(
        cls, model: Path, draft: Path | None, config: NumericConfig, calibration: Calibration, *,
        ahead: int | None = None, context: int | None = None, lanes: int | None = None,
        kv_heads_per_clock: int | None = None,
    ) -> "Wanted":  # fmt: skip
        """`InputError` for whatever does not fit."""
        target, proposer = load(model), None if draft is None else load(draft)
        choices = target.choices(
            proposer, context=context, lanes=lanes, kv_heads_per_clock=kv_heads_per_clock, ahead=ahead
        )
        return cls(target, proposer, choices, config, calibration)

    def plan(self, output: Output) -> ChipPlan:
        """Quantise and calibrate the models."""
        choices = self.choices
        with output.tasks() as progress:
            how = choices.context, self.config, self.calibration, progress
            draft = None if self.draft is None else self.draft.quantize(*how)
            target = self.target.quantize(*how)
        ahead = None if draft is None else choices.ahead
        return target.plan(choices.lanes, choices.kv_heads_per_clock, draft, ahead)
