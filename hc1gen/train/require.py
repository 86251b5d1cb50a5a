"""Says what is missing, before anything that needs it is imported."""

from importlib import util

from ..errors import ToolMissing

NEEDED = ("torch", "matplotlib")


def require_torch() -> None:
    """`ToolMissing` where the extra `hc1gen[train]` is not installed."""
    missing = [name for name in NEEDED if util.find_spec(name) is None]
    if missing:
        raise ToolMissing(f"{' and '.join(missing)}: not installed; install with: pip install 'hc1gen[train]'")
