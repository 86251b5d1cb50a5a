"""Yosys in a process of its own: it ends its process on an error, and talks on stdout whatever it is told."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib import util
from pathlib import Path
from threading import Lock

from ...errors import CheckFailed, ToolMissing

_WORKER = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for line in sys.stdin:
    libyosys.run_pass(line.strip(), design)
"""


def require() -> None:
    """`ToolMissing` where pyosys is not installed."""
    if util.find_spec("pyosys") is None:
        raise ToolMissing("pyosys: not installed; pip install 'hc1gen[synth]'")


class Yosys:
    """Runs scripts, from any number of threads; `stop` ends what still runs."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = Lock()
        self._stopped = False

    def run(self, what: str, commands: Sequence[str], folder: Path | None = None) -> str:
        """The log of `commands`, run in `folder`; `CheckFailed` with yosys' own words where it stops, at `what`."""
        with self._lock:
            if self._stopped:
                raise CheckFailed(f"{what}: interrupted")
            process = subprocess.Popen(
                [sys.executable, "-c", _WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, start_new_session=True, cwd=folder,
            )  # fmt: skip
            self._running.add(process)
        try:
            log, _ = process.communicate("\n".join(commands))
        finally:
            self._running.discard(process)
        if process.returncode:
            said = [line for line in log.splitlines() if "ERROR" in line]
            raise CheckFailed(f"{what}: yosys stopped: {' '.join(said) or log[-500:]}")
        return log

    def stop(self) -> None:
        """End all that runs, ABC included."""
        with self._lock:
            self._stopped = True
            for process in list(self._running):
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
