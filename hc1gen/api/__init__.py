"""The Python API: load → quantize → plan → bake, then golden, simulate, verify, synthesise. docs/api.md explains it.

Each step is a frozen value that knows how to make the next one. Nothing here prints; a long step tells its progress.
"""

from ..backend.simulator import Counters
from ..backend.simulator import Token as SimulatedToken
from ..backend.synth.report import SynthesisReport
from ..backend.verify.verify import VerifyReport
from ..golden.chip import Token
from ..numeric.config import NumericConfig
from ..outcome import Outcome
from ..progress import Progress
from ..reason import Reason
from ..settings import Settings
from .answer import Answer, Prompt
from .baked import BakedChip, open_chip
from .calibration import Calibration
from .choices import Choices
from .costs import Costs, Estimate, KindCosts, TensorCosts, TokenClocks
from .model import EMBEDDED, EMBEDDED_DRAFT, Model, load
from .plan import ChipPlan
from .quantised import CalibratedModel
from .simulation import Difference, RunningChip, Simulation

__all__ = [
    "EMBEDDED", "EMBEDDED_DRAFT", "Answer", "BakedChip", "CalibratedModel", "Calibration", "ChipPlan", "Choices",
    "Costs", "Counters", "Difference", "Estimate", "KindCosts", "Model", "NumericConfig", "Outcome", "Progress",
    "Prompt", "Reason", "RunningChip", "Settings", "SimulatedToken", "Simulation", "SynthesisReport", "TensorCosts",
    "Token", "TokenClocks", "VerifyReport", "load", "open_chip",
]  # fmt: skip
