"""A whole run: from a checkpoint and texts to a trained checkpoint and its figures."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import CheckFailed, InputError, problem
from ..frontend.checkpoint import load_checkpoint
from ..frontend.export import TRAINED, check_folder, write_checkpoint
from ..frontend.jsonfile import read_object
from ..frontend.model import ModelIR
from ..frontend.tokenizer import Tokenizer
from ..golden.calibrated import calibrated
from ..numeric.config import NumericConfig
from ..quant.quantized import QuantizedModel
from . import check, plot, state
from .data import Batches
from .loop import Recipe, Report, Trainer
from .model import ChipModel
from .state import State
from .teacher import FloatModel, Teacher
from .text import Texts, digest, held_out, text_windows, written

USUAL_CONTEXT = 512
CALIBRATION_WINDOWS = 4
CURVE_WINDOWS = 8
OWN, TEXT = "own samples", "text"
PLOT = "training.png"
LAST_GOOD = ".last-good"
"""After the name of the output: what a run that ran away leaves."""
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done, and of how much."""


@dataclass(frozen=True)
class Order:
    """What is asked for. teacher: a quantised checkpoint to imitate, None for the float model itself; bits: of tensors
    that get more than 3, by name."""

    folder: Path
    ir: ModelIR
    tokenizer: Tokenizer
    teacher: ModelIR | None
    recipe: Recipe
    config: NumericConfig
    bits: Mapping[str, int]
    texts: tuple[Path, ...]
    validation: tuple[Path, ...]
    own: int
    batch: int
    window: int
    validation_windows: int
    seed: int
    device: str
    compiled: bool

    @property
    def context(self) -> int:
        return min(USUAL_CONTEXT, self.ir.config.max_positions)

    def settings(self) -> dict[str, Any]:
        """Everything that the result depends on, for a state to be known by."""
        return {
            "model": self.ir.sha256,
            "layers": self.ir.config.layers,
            "teacher": None if self.teacher is None else self.teacher.sha256,
            **{f"recipe.{name}": value for name, value in asdict(self.recipe).items()},
            **{f"set.{name}": value for name, value in asdict(self.config).items()},
            **{f"text.{i}": digest(file) for i, file in enumerate(self.texts)},
            **{f"bits.{name}": bits for name, bits in self.bits.items()},
            "held out of the text": not self.validation,
            "own": self.own,
            "validation windows": self.validation_windows,
            "batch": self.batch,
            "window": self.window,
            "seed": self.seed,
            "device": self.device,
            "compiled": self.compiled,
            "threads": torch.get_num_threads(),
        }

    def verify(self) -> None:
        """`InputError` with whatever does not fit together."""
        problems = []
        if not self.texts and not self.own:
            problems.append("nothing to train on: give --text, or a number of sequences above 0 with --own-samples")
        if not 2 <= self.window < self.context:
            problems.append(problem("--window", self.window, f"2..{self.context - 1}", "choose a value in that range"))
        if self.teacher is not None and self.teacher.config.vocab != self.ir.config.vocab:
            got, wanted = self.teacher.config.vocab, self.ir.config.vocab
            problems.append(problem("--teacher", f"{got} tokens", wanted, "take a teacher of the same vocabulary"))
        if problems:
            raise InputError(self.folder, problems)


def beginning(ir: ModelIR, layers: int | None = None) -> ModelIR:
    """Where training starts from: the model, or its first `layers` for a draft; the head on its own."""
    count = len(ir.layers) if layers is None else layers
    if not 1 <= count <= len(ir.layers):
        raise InputError(ir.name, problem("--layers", count, f"1..{len(ir.layers)}", "the draft starts from the model"))
    return replace(ir, layers=ir.layers[:count], config=replace(ir.config, layers=count)).untied()


def load(path: Path) -> tuple[ModelIR, Tokenizer, Path]:
    """A checkpoint, its tokenizer and the folder of both."""
    ir = load_checkpoint(path)
    folder = path if path.is_dir() else path.parent
    return ir, Tokenizer.load(folder, ir.config), folder


def state_folder(out: Path) -> Path:
    """Where a run that writes `out` keeps what it needs to go on."""
    return out.with_name(out.name + ".state")


def run(order: Order, out: Path, progress: Progress, report: Report) -> dict[str, Any]:
    """Train, write `out`, and return what was measured. What a later run needs to go on lies in `<out>.state`."""
    order.verify()
    check_folder(out)
    begun = time.monotonic()
    folder = state_folder(out)
    settings = order.settings()
    current = state.load(folder, settings) or State(settings)
    torch.manual_seed(order.seed)
    torch.set_flush_denormal(True)
    device = torch.device(order.device)
    source = order.ir if order.teacher is None else order.teacher
    texts = _texts(order, FloatModel(source, device), progress)
    calibration = np.concatenate([rows[:CALIBRATION_WINDOWS] for rows in texts.training])[:, :-1]
    target = None if order.teacher is None else _calibrated(order.teacher, order)
    teacher = _teacher(order, target, device)
    student = ChipModel(order.ir, order.config, order.context, order.compiled, order.bits).to(device)
    batches = Batches(np.concatenate(texts.training), teacher, source.config.hidden, order.batch, order.seed)
    batches.listen(lambda done, total: progress("the teacher reads", done, total))
    trainer = Trainer(student, teacher, batches, order.recipe, order.compiled)
    few = {name: rows[:CURVE_WINDOWS] for name, rows in texts.validation.items()}

    def validate() -> dict[str, float]:
        return check.losses(check.integer_logits(student.quantized(calibration), order.context), few)

    if not current.step:
        current.seconds = time.monotonic() - begun

    def finish(current: State, out: Path) -> dict[str, Any]:
        trained = student.export()
        fields = _figures(order, trained, target, texts.validation, progress)
        fields |= {"steps": current.step, "seconds": round(current.seconds, 1), "recipe": asdict(order.recipe)}
        limits = check.losses(_teacher_logits(order, target), few)
        config = read_object(order.folder / "config.json")
        tokenizer = (order.folder / "tokenizer.json").read_text(encoding="utf-8")
        write_checkpoint(
            out, trained, config, tokenizer, TRAINED, fields,
            lambda folder: plot.plot(folder / PLOT, current, limits, order.recipe.loss),
        )  # fmt: skip
        return fields

    if order.compiled:
        progress("compiling the training step, a minute or two", 0, 0)
    try:
        trainer.run(current, folder, lambda: student.quantized(calibration).formats, validate, report)
    except CheckFailed as error:
        if (good := state.load(folder, settings)) is None:
            raise
        trainer.restore(good)
        kept = out.with_name(out.name + LAST_GOOD)
        finish(good, kept)
        raise CheckFailed(f"{error}, without {folder}; {kept} is the checkpoint of step {good.step}") from error
    fields = finish(current, out)
    state.remove(folder)
    return fields


def _texts(order: Order, writer: FloatModel, progress: Progress) -> Texts:
    """Training windows of every source, and validation sets."""
    shape, training, validation = order.ir.config, [], {}
    length = order.window + (shape.bos is not None)
    progress("reading texts", 0, 1)
    if order.texts:
        rows = np.concatenate(
            [text_windows(file, order.tokenizer, order.window, shape.bos, shape.vocab) for file in order.texts]
        )
        if not order.validation:
            rows, validation[TEXT] = held_out(rows)
        training.append(rows)
    for file in order.validation:
        validation[file.name] = text_windows(file, order.tokenizer, order.window, shape.bos, shape.vocab)
    if order.own:
        count = order.own + min(order.validation_windows, max(1, order.own // 4))
        rows = written(writer, count, length, order.seed, lambda done: progress("the teacher writes", done, count))
        training.append(rows[: order.own])
        validation[OWN] = rows[order.own :]
    limited = {name: rows[: order.validation_windows] for name, rows in validation.items()}
    return Texts(tuple(training), limited)


def _calibrated(ir: ModelIR, order: Order) -> QuantizedModel:
    """A checkpoint as bake takes it, calibrated on its own text."""
    return calibrated(ir, order.config, order.context)


def _teacher(order: Order, target: QuantizedModel | None, device: torch.device) -> Teacher:
    if order.teacher is None or target is None:
        return FloatModel(order.ir if order.teacher is None else order.teacher, device)
    chip = ChipModel(order.teacher, order.config, order.context, order.compiled).to(device)
    chip.set_formats(target.formats)
    return chip.requires_grad_(False)


def _teacher_logits(order: Order, target: QuantizedModel | None) -> check.Logits:
    return check.float_logits(order.ir) if target is None else check.integer_logits(target, order.context)


def _figures(
    order: Order, trained: ModelIR, target: QuantizedModel | None, sets: dict[str, np.ndarray], progress: Progress
) -> dict[str, Any]:
    """The teacher's and the student's nats per token, and a draft's acceptance, on whole validation sets."""
    progress("validating in the integer golden model", 0, 1)
    student = check.integer_logits(_calibrated(trained, order), order.context)
    teacher = _teacher_logits(order, target)
    teachers, students = check.losses(teacher, sets), check.losses(student, sets)
    fields: dict[str, Any] = {}
    for name, rows in sets.items():
        fields[name] = {
            "tokens": int(rows[:, 1:].size),
            "teacher": teachers[name],
            "integer": students[name],
            "difference": students[name] - teachers[name],
        }
        if target is not None:
            fields[name]["acceptance"] = check.acceptance(student, teacher, rows)
    return {"validation": fields}
