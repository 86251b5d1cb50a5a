"""A baked chip as a program: built by Verilator from the chip's own Verilog, spoken to through a pipe."""

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from types import TracebackType
from typing import NamedTuple, Self

from hc1gen.backend import tools
from hc1gen.backend.folder.chip_folder import ChipFolder
from hc1gen.backend.folder.layout import MANIFEST, SIMULATORS
from hc1gen.backend.folder.names import place
from hc1gen.backend.payload_header import WORD_BITS, payload_header
from hc1gen.errors import CheckFailed, InputError, problem
from hc1gen.numeric.numerics import TEMPERATURE_BITS
from hc1gen.outcome import Outcome
from hc1gen.reason import Reason
from hc1gen.rtl.payloads import output_token, prompt_token
from hc1gen.settings import GREEDY, LIMIT_BITS, SEED_BITS, Settings

MAIN = Path(__file__).with_name("sim_main.cpp")
PATIENCE = 5_000_000
"""Clocks without a token after which a chip counts as hung."""
MOST_TOKEN_BITS = max(bits for bits in range(WORD_BITS) if output_token(bits, draft=True).size <= WORD_BITS)
"""So that an output fits an integer of sim_main.cpp."""
LOG_TAIL = 30

VERILATOR_OPTIONS = (
    "-O3", "--x-assign", "fast", "--x-initial", "fast", "--output-split", "20000", "-Wno-fatal",
    "--no-MMD",  # make would not read a list of files whose paths have a `#`
)  # fmt: skip
COMPILER_OPTIONS = ("OPT_FAST=-O1", "OPT_SLOW=-O0", "OPT_GLOBAL=-O2")
"""`-O1` for what runs each clock: beyond it the build takes longer than a usual run saves."""


@dataclass(frozen=True)
class Token:
    """One output of the chip. `clocks` counts from the token before it, or from the end of the prompt.

    `proposal` is what the draft said for its place, where `outcome` is not SAMPLED.
    """

    token: int
    last: bool
    reason: Reason
    clocks: int
    outcome: Outcome = Outcome.SAMPLED
    proposal: int | None = None


@dataclass(frozen=True)
class Counters:
    """Tokens since reset: what the draft proposed, and what became of it; `flushed` was thrown away unverified."""

    drafted: int
    accepted: int
    rejected: int
    flushed: int


class Design(NamedTuple):
    """A baked chip as Verilator needs it: the files with the waivers first, and what sim_main.cpp is told."""

    token_bits: int
    sources: list[Path]
    draft: bool

    @property
    def header(self) -> str:
        """payloads.h: what sim_main.cpp has to know of the chip, its words and whether it has a draft."""
        prompt, out = prompt_token(self.token_bits), output_token(self.token_bits, self.draft)
        words = payload_header({"prompt_payload": prompt, "out_payload": out})
        return f"{words}#define DRAFT\n" if self.draft else words


def build(rtl_dir: Path, jobs: int, progress: Callable[[str], None] | None = None) -> Path:
    """The simulator of the chip in `rtl_dir`: found in its folder of simulators if this very Verilog was built before.

    `progress` gets every line the tools print. The executable appears when it is complete or not at all.
    """
    executable = executable_of(rtl_dir)
    if executable.exists():
        return executable
    verilator, design, out = tools.simulation_tools(), _design(rtl_dir), executable.parent
    out.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hc1gen-") as folder:  # make takes no path with a space or a `#`
        work = Path(folder)
        (work / "payloads.h").write_text(design.header)
        for command in _commands(verilator, work, design, jobs):
            _call(command, verilator, progress or (lambda line: None))
        part = out / f".{executable.name}-{token_hex(4)}"
        try:
            shutil.copy(work / "chip", part)
            part.replace(executable)
        finally:
            part.unlink(missing_ok=True)
    return executable


def executable_of(rtl_dir: Path) -> Path:
    """Where the simulator of the chip in `rtl_dir`, as its Verilog now is, has its place, built or not.

    Raises `InputError` where it is no chip, and where a link leads out of the folder.
    """
    design = _design(rtl_dir)
    digest = _digest([tools.simulation_tools().version, design.header], [MAIN, *design.sources])
    return place(rtl_dir, f"{SIMULATORS}/chip-{digest}", rtl_dir)


class ChipSimulator:
    """A running simulator, fresh from reset. Use it as a context manager; leaving it ends the process.

    A chip that neither takes nor gives a token for `patience` clocks raises CheckFailed.
    """

    def __init__(self, executable: Path, patience: int = PATIENCE):
        self._process = subprocess.Popen(
            [str(executable.resolve()), str(patience)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        token_bits, draft = map(int, self._read("chip"))
        self._token_bits, self._draft = token_bits, bool(draft)
        self._unfinished = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def cycles(self) -> int:
        """Clocks simulated so far, resets included."""
        return int(self._ask("cycles", answer="cycles")[0])

    @property
    def counters(self) -> Counters | None:
        """The chip's, as they stand; None on a chip without a draft."""
        return Counters(*map(int, self._ask("counters", answer="counters"))) if self._draft else None

    def reset(self) -> None:
        """Reset the chip, also in the middle of an answer."""
        self._unfinished = False
        self._ask("reset")

    def run(self, prompt: Sequence[int], settings: Settings = GREEDY) -> Iterator[Token]:
        """The chip's answer to a prompt, token by token as it is simulated.

        The chip is reset first if an earlier answer was left before its end.
        """
        self._check(prompt, settings)
        if self._unfinished:
            self.reset()
        self._unfinished = True
        self._ask("prompt", settings.limit, settings.temperature, settings.seed, int(settings.speculate), *prompt)
        while self._unfinished:
            token, last, reason, clocks, outcome, proposal = map(int, self._ask("next", answer="token"))
            self._unfinished = not last
            if outcome not in list(Outcome):
                raise CheckFailed(f"chip simulation: token {token} has outcome {outcome}, which does not exist")
            proposed = None if outcome == Outcome.SAMPLED else proposal
            yield Token(token, bool(last), Reason(reason), clocks, Outcome(outcome), proposed)

    def _check(self, prompt: Sequence[int], settings: Settings) -> None:
        top = (1 << self._token_bits) - 1
        problems = [
            problem(f"token {index}", token, f"0 to {top}", "use this chip's tokenizer")
            for index, token in enumerate(prompt)
            if not 0 <= token <= top
        ]
        if not prompt:
            problems.append(problem("length", 0, "at least one token", "begin with the BOS token"))
        for name, value, bits, zero in (
            ("limit", settings.limit, LIMIT_BITS, "0 means no limit"),
            ("temperature", settings.temperature, TEMPERATURE_BITS, "0 means the likeliest token"),
            ("seed", settings.seed, SEED_BITS, "take one of that range"),
        ):
            if not 0 <= value < 1 << bits:
                problems.append(problem(name, value, f"0 to {(1 << bits) - 1}", zero))
        if problems:
            raise InputError("prompt", problems)

    def _ask(self, *words: object, answer: str = "ok") -> list[str]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(" ".join(map(str, words)) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # what the process said last is still to be read
        return self._read(answer)

    def _read(self, answer: str) -> list[str]:
        """The words after `answer` on the next line; anything else is a failure of the chip."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        kind, *words = line.split() or [""]
        if kind == answer:
            return words
        said = (line + self._process.stdout.read() if kind != "error" else " ".join(words)).strip()
        raise CheckFailed(f"chip simulation: {said or 'the simulator ended without a word'}")


def _design(rtl_dir: Path) -> Design:
    """The chip in `rtl_dir`; `InputError` where it is none, or its tokens have too many bits for the simulator."""
    folder = ChipFolder.read(rtl_dir)
    token_bits = folder.manifest.token_bits
    if token_bits > MOST_TOKEN_BITS:
        said = problem("token_bits", token_bits, f"1 to {MOST_TOKEN_BITS}", "bake the chip again")
        raise InputError(rtl_dir / MANIFEST, said)
    sources = [path.resolve() for path in (folder.waivers, *folder.simulation_sources)]
    return Design(token_bits, sources, folder.manifest.draft is not None)


def _commands(verilator: tools.Verilator, work: Path, design: Design, jobs: int) -> list[list[str]]:
    verilate = [str(verilator.path), "--cc", "--exe", "-Mdir", str(work), "--top-module", "chip", "--prefix", "Vchip"]
    verilate += [*VERILATOR_OPTIONS, "-j", str(jobs), "-o", "chip"]
    make = ["make", "-C", str(work), "-f", "Vchip.mk", "-j", str(jobs)]
    return [
        [*verilate, str(MAIN), *map(str, design.sources)],
        [*make, *verilator.make_variables, *COMPILER_OPTIONS],
    ]


def _call(command: Sequence[str], verilator: tools.Verilator, progress: Callable[[str], None]) -> None:
    """Run a command to its end; CheckFailed with the end of its output where it fails.

    An interrupt ends all that the command has started: it runs in a process group of its own.
    """
    lines = []
    with subprocess.Popen(
        command, env=verilator.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                progress(lines[-1])
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        tail = "\n".join(lines[-LOG_TAIL:])
        raise CheckFailed(f"{Path(command[0]).name}: stopped with exit code {process.returncode}\n{tail}")


def _digest(options: Sequence[str], sources: Sequence[Path]) -> str:
    digest = hashlib.sha256(repr([*options, VERILATOR_OPTIONS, COMPILER_OPTIONS]).encode())
    for source in sources:
        content = source.read_bytes()
        digest.update(f"\n{source.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]
