"""Chips for whole-chip tests: baked once, kept under `sim_build/designs` while the generator stays what it is."""

import hashlib
import json
import random
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from bench.runner import SIM_BUILD, lock

import hc1gen
from hc1gen.backend import simulator
from hc1gen.backend.bake import MANIFEST, MODEL, bake, is_baked
from hc1gen.frontend.checkpoint import load_checkpoint
from hc1gen.golden.calibrate import calibrate
from hc1gen.golden.model import GoldenModel
from hc1gen.quant import saved
from hc1gen.quant.config import NumericConfig
from hc1gen.quant.quantized import QuantizedModel, quantize
from hc1gen.rtl.plan import Plan

PACKAGE = Path(hc1gen.__file__).parent
VECTORS = Path(__file__).parents[1] / "tests" / "frontend" / "vectors"
DESIGNS = SIM_BUILD / "designs"
CALIBRATION_TOKENS = 512


@dataclass(frozen=True)
class Recipe:
    """What to bake. `eos` is how many tokens end a text, chosen among those the model says; None: the model's own."""

    name: str
    lanes: int
    kv_heads_per_clock: int
    context: int
    eos: int | None = None

    @property
    def checkpoint(self) -> Path:
        """A folder of the package's models or of the frontend's test vectors."""
        embedded = PACKAGE / "models" / self.name
        return embedded if embedded.is_dir() else VECTORS / self.name


DEFAULT = Recipe("tinystories-w3", lanes=16, kv_heads_per_clock=4, context=512)
"""The embedded model as `hc1gen bake` makes it."""


@dataclass(frozen=True)
class Design:
    """A baked chip, read back from its folder."""

    folder: Path

    @cached_property
    def model(self) -> QuantizedModel:
        return saved.load(self.folder / MODEL)

    @cached_property
    def plan(self) -> Plan:
        manifest = json.loads((self.folder / MANIFEST).read_text())
        return Plan(self.model.numerics(manifest["context"]), manifest["lanes"], manifest["kv_heads_per_clock"])

    @cached_property
    def golden(self) -> GoldenModel:
        return GoldenModel(self.model, self.plan.n.context)

    @property
    def sources(self) -> list[Path]:
        """All Verilog, Verilator's control file first."""
        return simulator.read_design(self.folder)[1]

    def layer_sources(self, index: int) -> list[Path]:
        """What module `layer<index>` needs."""
        others = ("chip", "head", "final_gain", "embedding_rom", *(f"layer{i}" for i in self._layers() if i != index))
        return [path for path in self.sources if not f"{path.stem}_".startswith(tuple(f"{o}_" for o in others))]

    def _layers(self) -> range:
        return range(self.model.model.layers)


def design(recipe: Recipe) -> Design:
    """Bake the recipe, or find what an earlier test baked; one process at a time bakes it."""
    folder = DESIGNS / _digest(recipe)
    with lock(folder):
        if not is_baked(folder):
            model = _with_eos(_calibrated(recipe), recipe)
            plan = Plan(model.numerics(recipe.context), recipe.lanes, recipe.kv_heads_per_clock)
            bake(model, plan, folder, recipe.checkpoint / "tokenizer.json")
    return Design(folder)


def _calibrated(recipe: Recipe) -> QuantizedModel:
    model = quantize(load_checkpoint(recipe.checkpoint), NumericConfig())
    return calibrate(model, recipe.context, CALIBRATION_TOKENS)


def _with_eos(model: QuantizedModel, recipe: Recipe) -> QuantizedModel:
    """The model with `recipe.eos` end tokens that it says itself, but not at once."""
    if recipe.eos is None:
        return model
    endless = replace(model, model=replace(model.model, eos=()))
    golden, rng = GoldenModel(endless, recipe.context), random.Random(recipe.name)
    chosen: list[int] = []
    while len(chosen) < recipe.eos:
        said = [t.token for t in golden.generate([rng.randrange(model.model.vocab)])]
        late = [t for i, t in enumerate(said) if i > 2 and t not in said[:i] and t not in chosen]
        chosen += late[:1]
    return replace(model, model=replace(model.model, eos=tuple(chosen)))


def _digest(recipe: Recipe) -> str:
    """Of everything that a bake depends on: the recipe, the checkpoint and the generator."""
    digest = hashlib.sha256(json.dumps(asdict(recipe)).encode())
    code = [path for path in PACKAGE.rglob("*.py") if path.parent.name != "cli"]
    for path in sorted([*code, *recipe.checkpoint.glob("*.safetensors*"), *recipe.checkpoint.glob("*.json")]):
        content = path.read_bytes()
        digest.update(f"\n{path.name} {len(content)}\n".encode() + content)
    return f"{recipe.name}-{digest.hexdigest()[:16]}"
