"""Chips for whole-chip tests: baked once, kept under `sim_build/designs` while the generator stays what it is."""

import hashlib
import json
import random
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import cycle
from pathlib import Path

import numpy as np
from bench.runner import SIM_BUILD, lock

import hc1gen
from hc1gen.backend.bake import bake
from hc1gen.backend.folder.chip_folder import ChipFolder
from hc1gen.backend.folder.manifest import Manifest
from hc1gen.backend.folder.target import is_baked
from hc1gen.backend.rebuild import rebuild
from hc1gen.frontend.checkpoint import load_checkpoint
from hc1gen.frontend.model import HEAD, ModelIR
from hc1gen.golden.calibrated import calibrated
from hc1gen.golden.chip import AHEAD, GoldenChip
from hc1gen.golden.model import GoldenModel
from hc1gen.network import Plan
from hc1gen.numeric.config import NumericConfig
from hc1gen.quant import saved
from hc1gen.quant.posttrain import METHODS, posttrain
from hc1gen.quant.quantized import QuantizedModel
from hc1gen.rtl import assemble
from hc1gen.rtl.chip import Chip
from hc1gen.rtl.transformer import Transformer

PACKAGE = Path(hc1gen.__file__).parent
VECTORS = Path(__file__).parents[1] / "tests" / "frontend" / "vectors"
DESIGNS = SIM_BUILD / "designs"
WIDTHS = (5, 3, 4, 6)


@dataclass(frozen=True)
class Recipe:
    """What to bake. `eos` is how many tokens end a text, chosen among those the model says; None: the model's own.

    draft: the name of a model, or one made from the target: `itself`, its first `layer`, or `noise`: the target with
    the rows of its head in another order. ahead: how many tokens it may run ahead. fabric: the view or views of the
    tiles. wide: the target's tensors have more than 3 bits, each as many as WIDTHS says in turn.
    """

    name: str
    lanes: int
    kv_heads_per_clock: int
    context: int
    eos: int | None = None
    draft: str | None = None
    ahead: int = 0
    fabric: str = "behavioural"
    wide: bool = False

    @property
    def checkpoint(self) -> Path:
        """A folder of the package's models or of the frontend's test vectors."""
        return _folder(self.name)


def _folder(name: str) -> Path:
    embedded = PACKAGE / "models" / name
    return embedded if embedded.is_dir() else VECTORS / name


DEFAULT = Recipe("tinystories-w3", 8, kv_heads_per_clock=4, context=512, draft="tinystories-w3-draft", ahead=AHEAD)
"""The embedded model and its draft as `hc1gen bake` makes them."""


@dataclass(frozen=True)
class Design:
    """A baked chip, read back from its folder."""

    folder: Path

    @cached_property
    def baked(self) -> ChipFolder:
        return ChipFolder.read(self.folder)

    @cached_property
    def model(self) -> QuantizedModel:
        return saved.load(self.baked.model)

    @property
    def manifest(self) -> Manifest:
        return self.baked.manifest

    @property
    def ahead(self) -> int:
        """Tokens that the draft may run ahead; 0 without a draft."""
        return self.manifest.draft.ahead if self.manifest.draft else 0

    @cached_property
    def draft(self) -> QuantizedModel | None:
        file = self.baked.draft_model
        return None if file is None else saved.load(file)

    @cached_property
    def hardware(self) -> Chip:
        """Target and draft."""
        return rebuild(self.manifest, self.model, self.draft)

    @property
    def plan(self) -> Plan:
        """The target's."""
        return self.hardware.target.plan

    @property
    def target(self) -> Transformer:
        """The target's hardware."""
        return self.hardware.target

    @cached_property
    def golden(self) -> GoldenModel:
        """The target."""
        return GoldenModel(self.model, self.plan.n.context)

    @cached_property
    def chip(self) -> GoldenChip:
        """Target and draft."""
        draft = None if self.draft is None else GoldenModel(self.draft, self.plan.n.context)
        return GoldenChip(self.golden, draft, self.ahead)

    @property
    def sources(self) -> list[Path]:
        """All Verilog, Verilator's control file first."""
        return [path.resolve() for path in (self.baked.waivers, *self.baked.simulation_sources)]

    def layer_sources(self, index: int) -> list[Path]:
        """What module `layer<index>` needs."""
        layers = (f"layer{i}" for i in range(self.model.model.layers) if i != index)
        others = ("chip", "target", "draft", "head", "final_gain", "embedding_rom", *layers)
        return [path for path in self.sources if not f"{path.stem}_".startswith(tuple(f"{o}_" for o in others))]


def design(recipe: Recipe) -> Design:
    """Bake the recipe, or find what an earlier test baked; one process at a time bakes it."""
    folder = DESIGNS / _digest(recipe)
    with lock(folder):
        if not is_baked(folder):
            ir = load_checkpoint(recipe.checkpoint)
            model = _with_eos(_calibrated(_wide(ir) if recipe.wide else ir, recipe.context), recipe)
            chip = assemble.chip(
                model, recipe.context, recipe.lanes, recipe.kv_heads_per_clock, _draft(model, recipe), recipe.ahead
            )
            bake(chip, folder, (recipe.checkpoint / "tokenizer.json").read_bytes(), fabric=recipe.fabric)
    return Design(folder)


def _draft(target: QuantizedModel, recipe: Recipe) -> QuantizedModel | None:
    """See `Recipe`."""
    if recipe.draft == "layer":
        return target.first_layers(1)
    if recipe.draft == "noise":
        order, head = np.random.default_rng(1).permutation(target.model.vocab), target.matrix(HEAD)
        arrays = {name: getattr(head, name)[order] for name in ("weights", "scale", "mantissa", "exponent")}
        return replace(target, tensors={**target.tensors, HEAD: replace(head, **arrays)})
    if recipe.draft is None or recipe.draft == "itself":
        return target if recipe.draft else None
    return _calibrated(load_checkpoint(_folder(recipe.draft)), recipe.context)


def _calibrated(ir: ModelIR, context: int) -> QuantizedModel:
    return calibrated(ir, NumericConfig(), context)


def _wide(ir: ModelIR) -> ModelIR:
    """The model rounded to the nearest, in as many bits as WIDTHS says."""
    bits = dict(zip((name for name, array in ir.tensors() if array.ndim == 2), cycle(WIDTHS), strict=False))
    return posttrain(ir, np.arange(8)[None], METHODS["rtn"], bits=bits)[0]


def _with_eos(model: QuantizedModel, recipe: Recipe) -> QuantizedModel:
    """The model with `recipe.eos` end tokens that it says itself, but not at once."""
    if recipe.eos is None:
        return model
    endless = replace(model, model=replace(model.model, eos=()))
    golden, rng = GoldenChip(GoldenModel(endless, recipe.context)), random.Random(recipe.name)
    chosen: list[int] = []
    while len(chosen) < recipe.eos:
        said = [t.token for t in golden.generate([rng.randrange(model.model.vocab)])]
        late = [t for i, t in enumerate(said) if i > 2 and t not in said[:i] and t not in chosen]
        chosen += late[:1]
    return replace(model, model=replace(model.model, eos=tuple(chosen)))


def _digest(recipe: Recipe) -> str:
    """Of everything that a bake depends on: the recipe, the checkpoint and the generator."""
    digest = hashlib.sha256(json.dumps(asdict(recipe)).encode())
    code = [path for path in PACKAGE.rglob("*.py") if path.parent.name not in ("api", "cli")]
    for path in sorted([*code, *_files(recipe.checkpoint), *_files(_folder(recipe.draft or recipe.name))]):
        content = path.read_bytes()
        digest.update(f"\n{path.name} {len(content)}\n".encode() + content)
    return f"{recipe.name}-{digest.hexdigest()[:16]}"


def _files(checkpoint: Path) -> list[Path]:
    return [*checkpoint.glob("*.safetensors*"), *checkpoint.glob("*.json")]
