"""The optimisation: AdamW under a cosine, saved often, stopped where it runs away."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckFailed
from ..numeric.config import Formats, LayerFormats
from . import state as states
from .data import Batches
from .interrupt import held_back
from .model import ChipModel
from .objective import LOSSES
from .state import State
from .teacher import Teacher

BETAS = (0.9, 0.98)
FINAL_RATE = 0.01
"""Of the learning rate, at the end of the cosine."""
WARM_UP = 100
MEASURED = (10, 30)
"""Steps between which the time of a step is taken, where a run is given minutes."""
FOR_STEPS = 0.95
"""Of the minutes; validation, calibration and saving take the rest."""
DAMPING = {"divergence": 0.01, "acceptance": 0.001}
"""By loss: of the latent weights' distance from their integers, at the end of the run (`LatentRows.dampen`).

Acceptance has small gradients, and a draft's high rate lets latent weights follow any steady pull: 0.01 holds them
where they are, and the loss climbs again."""
UNDAMPED = 0.3
"""Of the run, at its beginning."""
CLIP = 1.0
"""Norm of the gradient."""
RUNAWAY, MARGIN = 2.0, 0.5
"""`State.recent` above this multiple of the first loss and this much more is no learning."""
GOOD = 1.5
"""A state is kept while `State.recent` is at most this multiple of the best one before."""
CALIBRATE_EVERY = 250
SAVE_SECONDS = 30.0


@dataclass(frozen=True)
class Recipe:
    """How to train. Either `steps` or `minutes` is the budget; the cosine ends with it."""

    steps: int | None
    minutes: float | None
    rate: float
    loss: str
    validations: int = 10

    @property
    def damping(self) -> float:
        """The loss's of `DAMPING`."""
        return DAMPING[self.loss]


Report = Callable[[State, float | None], None]
"""Called after every step with the state and the seconds left, where that is known."""
Validate = Callable[[], dict[str, float]]
"""The integer golden model's nats per token on every validation set."""
Calibrate = Callable[[], Formats]


class Trainer:
    """One run, new or taken up again."""

    def __init__(self, model: ChipModel, teacher: Teacher, batches: Batches, recipe: Recipe, compiled: bool = False):
        self.model, self.teacher, self.batches, self.recipe = model, teacher, batches, recipe
        fused = {"fused": True} if compiled else {"foreach": True}
        self.optimizer = torch.optim.AdamW(model.parameters(), recipe.rate, BETAS, weight_decay=0.0, **fused)
        loss = LOSSES[recipe.loss]

        def objective(x: Tensor, said: Tensor) -> Tensor:
            with torch.no_grad():
                wanted = teacher.logits(said)
            return loss(model.logits(x), wanted)

        self._objective = torch.compile(objective, dynamic=False) if compiled else objective

    def run(self, state: State, folder: Path, calibrate: Calibrate, validate: Validate, report: Report) -> None:
        """Train to the end of the budget; `state` is kept in `folder`. `CheckFailed` where the loss runs away."""
        if state.model:
            self.restore(state)
        else:
            self.model.set_formats(calibrate())
            state.steps = self.recipe.steps or 0
        with held_back() as interrupted:
            self._steps(state, folder, calibrate, validate, report, interrupted)
        self.keep(state, folder)

    def _steps(
        self, state: State, folder: Path, calibrate: Calibrate, validate: Validate, report: Report,
        interrupted: Callable[[], bool],
    ) -> None:  # fmt: skip
        started = saved = time.monotonic() - state.seconds
        first, since, measuring = state.step + 1, 0.0, 0.0
        while not state.steps or state.step < state.steps:
            if not state.steps and state.step == MEASURED[0]:
                measuring = time.monotonic()
            if not state.steps and state.step == MEASURED[1]:
                state.steps = self._budget(measuring, time.monotonic() - started)
            if state.step and state.step % CALIBRATE_EVERY == 0:
                self.model.set_formats(calibrate())
            loss = self._step(state.step, self._rate(state), self._damping(state))
            state.losses.append(loss)
            self._check(state)
            state.step += 1
            since = since or time.monotonic()
            state.seconds = time.monotonic() - started
            if state.steps and state.step % max(1, state.steps // self.recipe.validations) == 0:
                state.curve.append((state.step, validate()))
            report(state, self._left(state, first, since))
            due = interrupted() or time.monotonic() - saved > SAVE_SECONDS
            if due and state.steps and self._good(state):
                self.keep(state, folder)
                saved = time.monotonic()
            if interrupted():
                raise KeyboardInterrupt

    def keep(self, state: State, folder: Path) -> None:
        """Save the run as it stands."""
        state.model = self.model.state_dict()
        state.optimizer = self.optimizer.state_dict()
        state.formats = _plain(self.model.formats)
        states.save(folder, state)

    def restore(self, state: State) -> None:
        """Go back to a state that was kept."""
        self.model.load_state_dict(state.model)
        self.optimizer.load_state_dict(state.optimizer)
        self.model.set_formats(_formats(state.formats))

    def _step(self, step: int, rate: float, damping: float) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        tokens, said = self.batches(step)
        loss = self._objective(self.model.trunk(tokens.to(self.model.device)), said.to(self.model.device))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if damping:
            for rows in self.model.matrices():
                rows.dampen(damping)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        value = float(loss.detach())
        if math.isfinite(value):
            self.optimizer.step()
        sane = torch.stack([p.detach().sum() for p in self.model.parameters()]).isfinite().all()
        return value if sane else math.nan

    def _rate(self, state: State) -> float:
        """Linear warm-up, then a cosine down to `FINAL_RATE` at the last step."""
        total = state.steps
        warm = min(WARM_UP, max(1, total // 10)) if total else WARM_UP
        if state.step < warm:
            return self.recipe.rate * (state.step + 1) / warm
        along = (state.step - warm) / max(1, total - warm)
        return self.recipe.rate * (FINAL_RATE + (1.0 - FINAL_RATE) * 0.5 * (1.0 + math.cos(math.pi * along)))

    def _damping(self, state: State) -> float:
        """Nothing for the first part of the run, then up to the recipe's, in a straight line."""
        along = state.step / state.steps if state.steps else 0.0
        return self.recipe.damping * max(0.0, (along - UNDAMPED) / (1.0 - UNDAMPED))

    def _budget(self, since: float, elapsed: float) -> int:
        """Steps that fit the minutes, at the speed measured; fixed from then on, so that a run can be repeated."""
        each = (time.monotonic() - since) / (MEASURED[1] - MEASURED[0])
        left = FOR_STEPS * (60.0 * (self.recipe.minutes or 0.0) - elapsed)
        return max(2 * MEASURED[1], MEASURED[1] + int(left / each))

    def _left(self, state: State, first: int, since: float) -> float | None:
        """Seconds, at the speed since the end of the first step here, which is when everything is compiled."""
        if not state.steps:
            return max(0.0, 60.0 * (self.recipe.minutes or 0.0) - state.seconds)
        if state.step == first:
            return None
        return (time.monotonic() - since) / (state.step - first) * (state.steps - state.step)

    def _good(self, state: State) -> bool:
        """Whether the loss is not on its way up: a state from which it runs away must not replace one before that."""
        state.best = min(state.best, state.recent)
        return state.recent <= GOOD * state.best

    def _check(self, state: State) -> None:
        first, last = state.losses[0], state.losses[-1]
        limit = RUNAWAY * first + MARGIN
        if math.isfinite(last) and (len(state.losses) < states.RECENT or state.recent <= limit):
            return
        raise CheckFailed(
            f"training ran away at step {state.step}: got a loss of {last:.4g}, expected at most {limit:.4g} (the "
            f"first was {first:.4g}); start anew with a lower --rate than {self.recipe.rate:g}"
        )


def _plain(formats: Formats) -> dict[str, Any]:
    """Formats as a state holds them."""
    return vars(formats) | {"layers": [vars(one) for one in formats.layers]}


def _formats(plain: dict[str, Any]) -> Formats:
    return Formats(**plain | {"layers": tuple(LayerFormats(**one) for one in plain["layers"])})
