"""Amaranth components as Verilog: one call of yosys for all of them, since starting it costs most of the time."""

import os
import re
from collections.abc import Callable

os.environ["AMARANTH_USE_YOSYS"] = "builtin"  # the pinned one, whatever else is installed

from amaranth.back import rtlil, verilog
from amaranth.lib import wiring

Progress = Callable[[str], None]
"""Called with the name of the component that is next."""

MODULE = re.compile(r"^(?:\(\*.*\*\)\n)*module (\\?[^\s(]+)(?s:.*?)^endmodule\n", re.MULTILINE)


def to_verilog(components: dict[str, wiring.Component], progress: Progress | None = None) -> dict[str, str]:
    """Component name → Verilog of its module and its submodules (`name`, `name.part`), its purpose at the top."""
    texts = []
    for name, component in components.items():
        if progress:
            progress(name)
        texts.append(rtlil.convert(component, name=name, emit_src=False))
    found: dict[str, list[str]] = {name: [] for name in components}
    converted = verilog._convert_rtlil_text("\n".join(texts), strip_internal_attrs=True)
    for match in MODULE.finditer(converted):
        found[match[1].removeprefix("\\").split(".")[0]].append(match[0])
    return {name: "\n".join([_purpose(name, components[name]), *modules]) for name, modules in found.items()}


def _purpose(name: str, component: wiring.Component) -> str:
    kind = type(component)
    purpose = (kind.__doc__ or "").strip().splitlines()[0]
    return f"// {name}: {purpose}\n// Written by Amaranth from {kind.__module__.replace('.', '/')}.py."
