"""A baked chip as a program: built by Verilator from the chip's own Verilog, spoken to through a pipe."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from hc1gen.backend import tools
from hc1gen.backend.verilator_config import CONFIG
from hc1gen.errors import CheckFailed, InputError, problem
from hc1gen.reason import Reason

MAIN = Path(__file__).with_name("sim_main.cpp")
PATIENCE = 5_000_000
"""Clocks without a token after which a chip counts as hung."""
LIMIT_BITS = 16
LOG_TAIL = 30

VERILATOR_OPTIONS = ("-O3", "--x-assign", "fast", "--x-initial", "fast", "--output-split", "20000", "-Wno-fatal")
COMPILER_OPTIONS = ("OPT_FAST=-O1", "OPT_SLOW=-O0", "OPT_GLOBAL=-O2")
"""`-O1` for what runs each clock: beyond it the build takes longer than a usual run saves."""


@dataclass(frozen=True)
class Token:
    """One output of the chip. `clocks` counts from the token before it, or from the end of the prompt."""

    token: int
    last: bool
    reason: Reason
    clocks: int


def build(rtl_dir: Path, jobs: int, progress: Callable[[str], None] | None = None) -> Path:
    """The simulator of the chip in `rtl_dir`: found under `rtl_dir/sim` if this very Verilog was built before.

    `progress` gets every line the tools print. The executable appears when it is complete or not at all.
    """
    executable = executable_of(rtl_dir)
    if executable.exists():
        return executable
    verilator, (token_bits, sources), out = tools.simulation_tools(), read_design(rtl_dir), executable.parent
    out.mkdir(exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="build-", dir=out))
    try:
        for command in _commands(verilator, work, sources, token_bits, jobs):
            _call(command, verilator, progress or (lambda line: None))
        (work / "chip").replace(executable)
    finally:
        shutil.rmtree(work)
    return executable


def executable_of(rtl_dir: Path) -> Path:
    """Where the simulator of the chip in `rtl_dir`, as its Verilog now is, has its place, built or not."""
    token_bits, sources = read_design(rtl_dir)
    return rtl_dir / "sim" / f"chip-{_digest([tools.simulation_tools().version, str(token_bits)], [MAIN, *sources])}"


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
        self._token_bits = int(self._read("chip")[0])
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

    def reset(self) -> None:
        """Reset the chip, also in the middle of an answer."""
        self._unfinished = False
        self._ask("reset")

    def run(self, prompt: Sequence[int], limit: int = 0) -> Iterator[Token]:
        """The chip's answer to a prompt, token by token as it is simulated; `limit` 0 means no limit.

        The chip is reset first if an earlier answer was left before its end.
        """
        self._check(prompt, limit)
        if self._unfinished:
            self.reset()
        self._unfinished = True
        self._ask("prompt", limit, *prompt)
        while self._unfinished:
            token, last, reason, clocks = map(int, self._ask("next", answer="token"))
            self._unfinished = not last
            yield Token(token, bool(last), Reason(reason), clocks)

    def _check(self, prompt: Sequence[int], limit: int) -> None:
        top = (1 << self._token_bits) - 1
        problems = [
            problem(f"token {index}", token, f"0 to {top}", "use this chip's tokenizer")
            for index, token in enumerate(prompt)
            if not 0 <= token <= top
        ]
        if not prompt:
            problems.append(problem("length", 0, "at least one token", "begin with the BOS token"))
        if not 0 <= limit < 1 << LIMIT_BITS:
            problems.append(problem("limit", limit, f"0 to {(1 << LIMIT_BITS) - 1}", "0 means no limit"))
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


def read_design(rtl_dir: Path) -> tuple[int, list[Path]]:
    """The token width and the files of the chip, the waivers first; InputError where something is missing."""
    for name in ("manifest.json", "filelist.f"):
        if not (rtl_dir / name).is_file():
            raise InputError(rtl_dir, problem("not a baked chip", f"no {name}", "one", "run hc1gen bake first"))
    token_bits = json.loads((rtl_dir / "manifest.json").read_text()).get("token_bits")
    if not isinstance(token_bits, int) or not 1 <= token_bits <= 61:
        raise InputError(rtl_dir / "manifest.json", problem("token_bits", token_bits, "1 to 61", "bake the chip again"))
    names = [line.strip() for line in (rtl_dir / "filelist.f").read_text().splitlines()]
    sources = [rtl_dir / name for name in names if name and not name.startswith(("#", "//"))]
    absent = [problem("file", "nothing", path.name, "bake the chip again") for path in sources if not path.is_file()]
    if absent:
        raise InputError(rtl_dir / "filelist.f", absent)
    waivers = [rtl_dir / CONFIG] if (rtl_dir / CONFIG).is_file() else []
    return token_bits, [path.resolve() for path in (*waivers, *sources)]


def _commands(
    verilator: tools.Verilator, work: Path, sources: Sequence[Path], token_bits: int, jobs: int
) -> list[list[str]]:
    verilate = [str(verilator.path), "--cc", "--exe", "-Mdir", str(work), "--top-module", "chip", "--prefix", "Vchip"]
    verilate += [*VERILATOR_OPTIONS, "-CFLAGS", f"-DTOKEN_BITS={token_bits}", "-j", str(jobs), "-o", "chip"]
    make = ["make", "-C", str(work), "-f", "Vchip.mk", "-j", str(jobs)]
    return [
        [*verilate, str(MAIN), *map(str, sources)],
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
