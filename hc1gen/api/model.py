"""A trained model that has been read, and what can be made of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..frontend.checkpoint import load_checkpoint
from ..frontend.gguf import SUFFIX as GGUF_SUFFIX
from ..frontend.gguf import load_gguf
from ..frontend.jsonfile import read_object
from ..frontend.model import ModelIR
from ..frontend.tokenizer import Tokenizer
from ..frontend.weights import find_entry
from ..golden.calibrated import calibrated, rounded
from ..numeric.config import NumericConfig
from ..progress import Progress, silent
from ..rtl import assemble
from .calibration import Calibration
from .choices import Choices, choose
from .costs import Costs, Estimate, tensor_costs
from .quantised import CalibratedModel

EMBEDDED = Path(__file__).parents[1] / "models" / "tinystories-w3"
"""The checkpoint that comes with hc1gen."""
EMBEDDED_DRAFT = EMBEDDED.with_name("tinystories-w3-draft")
"""A draft for it."""


@dataclass(frozen=True, eq=False)
class Model:
    """A float model and its tokenizer; `load` makes it.

    ir: shape and tensors; path: the folder of the checkpoint, or the GGUF file; config_json: the fields of its
    config.json; tokenizer_json: content of its tokenizer.json.
    """

    ir: ModelIR
    tokenizer: Tokenizer
    path: Path
    config_json: dict[str, Any]
    tokenizer_json: bytes

    @property
    def name(self) -> str:
        """Of the checkpoint's folder."""
        return self.ir.name

    def choices(
        self, draft: "Model | None" = None, *, context: int | None = None, lanes: int | None = None,
        kv_heads_per_clock: int | None = None, ahead: int | None = None,
    ) -> Choices:  # fmt: skip
        """The shape of a chip of this model, and of a draft: defaults in the place of None. Takes no time.

        Raises `InputError` where a choice does not fit the models, or the draft's tokenizer is another one.
        """
        return choose(self, draft, context, lanes, kv_heads_per_clock, ahead)

    def quantize(
        self, context: int | None = None, config: NumericConfig | None = None, calibration: Calibration | None = None,
        progress: Progress = silent,
    ) -> CalibratedModel:  # fmt: skip
        """Round every row to its grid, to the nearest, and choose the formats that fit what the model computes.

        context: positions of a text, by default the model's, at most 512; config: the chosen widths (docs/numeric.md);
        calibration: by default 512 tokens that the model writes itself. Raises `InputError` where the context does not
        fit the model, a width is out of its range, or there is nothing to calibrate on.
        """
        positions = self.choices(context=context).context
        widths = NumericConfig() if config is None else config
        widths.verify()
        count, windows = (calibration or Calibration()).read(self.tokenizer, self.ir.config, positions)
        integers = calibrated(self.ir, widths, positions, count, windows, progress)
        return CalibratedModel(self, integers, positions, count)

    def estimate(
        self, context: int | None = None, lanes: int | None = None, kv_heads_per_clock: int | None = None,
        config: NumericConfig | None = None, progress: Progress = silent,
    ) -> Estimate:  # fmt: skip
        """What a chip of this model would take, from rounding alone, without calibration. Raises as the steps do."""
        choices = self.choices(context=context, lanes=lanes, kv_heads_per_clock=kv_heads_per_clock)
        integers = rounded(self.ir, NumericConfig() if config is None else config, progress)
        hardware = assemble.transformer(integers, choices.context, choices.lanes, choices.kv_heads_per_clock)
        return Estimate(Costs.of(hardware), tensor_costs(self.ir, integers))


def load(path: str | Path = EMBEDDED) -> Model:
    """Read a model of the Llama family with its tokenizer; by default the one that comes with hc1gen.

    path: a .safetensors file, a .safetensors.index.json, or a folder with either, config.json and tokenizer.json beside
    it; or a .gguf file, which holds all of these. Raises `InputError` for whatever is wrong with them or not supported,
    `ToolMissing` where the package that reads GGUF is not installed.
    """
    path = Path(path)
    if path.suffix == GGUF_SUFFIX and not path.is_dir():
        found = load_gguf(path)
        text = found.tokenizer.to_str(pretty=True).encode()
        return Model(found.ir, Tokenizer(found.tokenizer, found.ir.config, path), path, found.config, text)
    ir, folder = load_checkpoint(path), find_entry(path).parent
    tokenizer, config = Tokenizer.load(folder, ir.config), read_object(folder / "config.json")
    return Model(ir, tokenizer, folder, config, (folder / "tokenizer.json").read_bytes())
