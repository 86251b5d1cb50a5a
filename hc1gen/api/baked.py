"""A baked chip: what it says, and what it is checked and synthesised with."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..backend.folder.chip_folder import ChipFolder
from ..backend.folder.manifest import Manifest
from ..backend.rebuild import rebuild
from ..backend.simulator import ChipSimulator
from ..backend.simulator import Token as SimulatedToken
from ..backend.synth.report import SynthesisReport
from ..backend.synth.run import synthesise
from ..backend.verify.verify import VerifyReport, verify
from ..frontend.tokenizer import Tokenizer
from ..golden.chip import GoldenChip, Token
from ..golden.model import GoldenModel
from ..progress import Progress, silent
from ..quant import saved
from ..quant.quantized import QuantizedModel
from ..rtl.chip import Chip
from .answer import TOKENS, Answer, Prompt, golden_answer
from .simulation import RunningChip, Simulation, build

if TYPE_CHECKING:
    from .model import Model


@dataclass(frozen=True, eq=False)
class BakedChip:
    """A chip in its folder; `ChipPlan.bake` and `open_chip` give it.

    folder: its manifest, and its files by what they are for. Models and tokenizer are read when they are needed first;
    `InputError` where one is damaged.
    """

    folder: ChipFolder

    @property
    def path(self) -> Path:
        """The folder."""
        return self.folder.path

    @property
    def manifest(self) -> Manifest:
        """What was baked, from what, by which choices (docs/manifest.md)."""
        return self.folder.manifest

    @property
    def context(self) -> int:
        """Positions of a text."""
        return self.manifest.context

    @property
    def ahead(self) -> int:
        """Tokens that the draft may run ahead; 0 without a draft."""
        return self.manifest.draft.ahead if self.manifest.draft else 0

    @cached_property
    def target(self) -> QuantizedModel:
        """The model that was baked."""
        return saved.load(self.folder.model)

    @cached_property
    def draft(self) -> QuantizedModel | None:
        """Its draft; None on a chip without one."""
        file = self.folder.draft_model
        return None if file is None else saved.load(file)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Of both models."""
        return Tokenizer.load(self.folder.tokenizer.parent, self.target.model)

    @cached_property
    def hardware(self) -> Chip:
        """All parts of the chip, as the generator has them."""
        return rebuild(self.manifest, self.target, self.draft)

    @cached_property
    def golden_chip(self) -> GoldenChip:
        """What the chip is to equal, in numpy."""
        draft = None if self.draft is None else GoldenModel(self.draft, self.context)
        return GoldenChip(GoldenModel(self.target, self.context), draft, self.ahead)

    def golden(
        self, prompt: str, tokens: int = TOKENS, temperature: float = 0.0, seed: int = 0, speculate: bool = True,
        *, on_token: Callable[[Token], None] | None = None,
    ) -> Answer:  # fmt: skip
        """The golden model's answer: what the chip says, token for token.

        tokens: at most so many, fewer where the text ends or the context is full; temperature: 0 for the likeliest
        token, or 0.05 to 15.99 to draw one, rounded to 1/4096; seed: of the draws, 64 bits; speculate: whether the
        draft is asked, where there is one; on_token: called with each token as soon as it is there. Raises `InputError`
        for a prompt that does not fit the vocabulary or the context, and for values out of range.
        """
        asked = Prompt.of(prompt, self.tokenizer, self.context)
        settings = asked.settings(tokens, temperature, seed, speculate)
        return golden_answer(self.golden_chip, self.tokenizer, asked, settings, on_token)

    def simulator(self, compare: bool = True, jobs: int = 0, progress: Progress = silent) -> RunningChip:
        """Start the chip in Verilator, for one prompt or many: `with chip.simulator() as running: running.ask(...)`.

        It is built first, once for the same Verilog, and kept in the folder. compare: each token is compared with the
        golden model's; jobs: compilers at a time, 0 for one a processor. Raises `ToolMissing` without Verilator, g++ or
        make, `CheckFailed` where the build fails.
        """
        golden = self.golden_chip if compare else None
        tokenizer, eos = self.tokenizer, self.target.model.eos
        executable = build(self.path, jobs or os.cpu_count() or 1, progress)
        return RunningChip(ChipSimulator(executable), tokenizer, self.context, eos, golden)

    def simulate(
        self, prompt: str, tokens: int = TOKENS, temperature: float = 0.0, seed: int = 0, speculate: bool = True,
        *, compare: bool = True, jobs: int = 0, on_token: Callable[[SimulatedToken], None] | None = None,
        progress: Progress = silent,
    ) -> Simulation:  # fmt: skip
        """The chip's own answer to one prompt: its Verilog in Verilator, clock by clock.

        compare, jobs, progress: as in `simulator`; the rest as in `golden`. A token that differs from the golden
        model's ends the answer, and `Simulation.match` is false then. Raises as both do, and `CheckFailed` where the
        chip hangs.
        """
        with self.simulator(compare, jobs, progress) as running:
            return running.ask(prompt, tokens, temperature, seed, speculate, on_token=on_token)

    def verify(
        self, model: "Model", draft: "Model | None" = None, *, netlist: str | Path | None = None,
        liberty: Sequence[str | Path] = (), jobs: int = 1, progress: Progress = silent,
    ) -> VerifyReport:  # fmt: skip
        """Read the model back out of the Verilog and compare it with the checkpoints it should be made of.

        netlist: a folder that `synthesise` has written in this one, or one file of it, to be read in the place of the
        Verilog; liberty: the Liberty files it was mapped to; jobs: modules at a time, 0 for one a processor, each in a
        process of its own where they are more than one: a script then needs `if __name__ == "__main__":`. Raises
        `InputError` where nothing can be compared, `ToolMissing` without pyosys.
        """
        path, files = self.path if netlist is None else Path(netlist), [Path(file) for file in liberty]
        return verify(path, model.ir, None if draft is None else draft.ir, files, jobs, progress)

    def synthesise(
        self, liberty: Sequence[str | Path] = (), *, dont_use: Iterable[str] = (), gates: bool = False, jobs: int = 0,
        progress: Progress = silent,
    ) -> SynthesisReport:  # fmt: skip
        """Map the chip to the cells of a library, or to generic gates without one, and report what it takes.

        liberty: the library's files, may be gzipped; dont_use: cells to leave out, or patterns; gates: full adders are
        made of gates, for a library that has none; jobs: modules at a time, 0 for one a processor. Writes
        `synth/NAME/` in the folder: a netlist for each module and report.json. Raises `InputError`, `ToolMissing`
        without pyosys, `CheckFailed` where a module cannot be mapped.
        """
        return synthesise(self.path, [Path(file) for file in liberty], dont_use, gates, jobs, progress)


def open_chip(folder: str | Path, whole: bool = True) -> BakedChip:
    """The chip that a bake has left in a folder.

    whole: every file that the manifest lists has to be there; without it `verify` can tell which are missing. Raises
    `InputError` where the folder is no baked one, or its manifest is damaged or of another format.
    """
    return BakedChip(ChipFolder.read(Path(folder), whole))
