"""hc1gen turns a trained language model into a chip: every 3-bit weight becomes hardwired logic.

The Python API begins with `load`; docs/api.md has a tutorial and every name.
"""

from typing import TYPE_CHECKING, Any

from .errors import CheckFailed, InputError, ToolMissing

if TYPE_CHECKING:
    from .api import (
        EMBEDDED,
        EMBEDDED_DRAFT,
        Answer,
        BakedChip,
        CalibratedModel,
        Calibration,
        ChipPlan,
        Choices,
        Costs,
        Counters,
        Difference,
        Estimate,
        KindCosts,
        Model,
        NumericConfig,
        Outcome,
        Progress,
        Prompt,
        Reason,
        RunningChip,
        Settings,
        SimulatedToken,
        Simulation,
        SynthesisReport,
        TensorCosts,
        Token,
        TokenClocks,
        VerifyReport,
        load,
        open_chip,
    )

__version__ = "0.3.0"
__all__ = [
    "EMBEDDED", "EMBEDDED_DRAFT", "Answer", "BakedChip", "CalibratedModel", "Calibration", "CheckFailed", "ChipPlan",
    "Choices", "Costs", "Counters", "Difference", "Estimate", "InputError", "KindCosts", "Model", "NumericConfig",
    "Outcome", "Progress", "Prompt", "Reason", "RunningChip", "Settings", "SimulatedToken", "Simulation",
    "SynthesisReport", "TensorCosts", "Token", "TokenClocks", "ToolMissing", "VerifyReport", "load", "open_chip",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """A name of the API, which is imported when the first one is used: it needs numpy, Amaranth and more, and parts of
    this package that want nothing but the version should not wait for them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
