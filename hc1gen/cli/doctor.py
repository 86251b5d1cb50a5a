"""hc1gen doctor: are the tools there?"""

from dataclasses import asdict

import click

from ..backend import tools
from ..errors import ToolMissing
from .options import json_option
from .output import Output


@click.command()
@json_option
def doctor(output: Output) -> int:
    """Say which tools hc1gen finds, and in which versions. Exit code 3 if a required one is missing."""
    report = tools.report()
    missing = [tool.name for tool in report if tool.required and not tool.ok]
    rows = [[tool.name, _state(tool), tool.version or "", tool.needed_for, tool.path or ""] for tool in report]
    output.table("tools", ("tool", "state", "version", "needed for", "where"), rows)
    if missing:
        output.line(f"missing: {', '.join(missing)}; only simulation needs them")
    output.result({"ok": not missing, "missing": missing, "tools": [asdict(tool) for tool in report]})
    return ToolMissing.exit_code if missing else 0


def _state(tool: tools.ToolStatus) -> str:
    return "ok" if tool.ok else "missing" if tool.required else "absent (optional)"
