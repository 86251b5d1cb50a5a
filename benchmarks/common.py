"""What the benchmarks share: their command line, their tables, and what stands beside every figure."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # has to stand before numpy is imported

import click

from hc1gen.cli.output import Output, number
from hc1gen.errors import CheckFailed, Hc1genError

ROOT = Path(__file__).resolve().parents[1]
Fields = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """Rows under columns, and what has to be known to read them."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    note: str = ""

    def markdown(self) -> str:
        """The table as it stands in results.md."""
        numeric = [any(isinstance(row[i], int | float) for row in self.rows) for i in range(len(self.columns))]
        lines = [f"**{self.title}**", "", _row(self.columns), _row("---:" if n else "---" for n in numeric)]
        lines += [_row(cell(value) for value in row) for row in self.rows]
        return "\n".join([*lines, "", *([self.note, ""] if self.note else [])])


def _row(cells: Any) -> str:
    return "| " + " | ".join(cells) + " |"


def cell(value: object) -> str:
    """A figure as people read it; empty where there is none."""
    return "" if value is None else number(value)


def show(output: Output, tables: Sequence[Table]) -> None:
    """The tables on a terminal."""
    for table in tables:
        output.table(table.title, table.columns, [[cell(v) if v is None else v for v in row] for row in table.rows])
        if table.note:
            output.line(table.note)


def conditions() -> Fields:
    """JSON fields: the machine, and how busy it was when the measurement ended."""
    load = round(os.getloadavg()[0], 2)
    return {
        "processors": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "load": load,
    }


def hc1gen(*arguments: object) -> Fields:
    """A command's JSON object; `CheckFailed` with its own words where it fails."""
    command = [sys.executable, "-c", "from hc1gen.cli import main; main()", *map(str, arguments), "--json"]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise CheckFailed(f"hc1gen {arguments[0]}: exit code {run.returncode}: {run.stderr.strip()}")
    return json.loads(run.stdout)


def script(command: click.Command) -> None:
    """Run a command with hc1gen's exit codes: 0 ok, 1 a requirement is not met, 2 bad input, 3 a tool is missing."""
    try:
        code = command.main(standalone_mode=False)
    except Hc1genError as error:
        click.echo(error, err=True)
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.Abort:
        code = 130
    sys.exit(code if isinstance(code, int) else 0)


def verdict(value: float, bound: float, least: bool = False) -> str:
    """Whether a figure meets its requirement."""
    return "met" if (value >= bound if least else value <= bound) else "NOT MET"
