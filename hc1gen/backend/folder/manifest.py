"""The manifest of a baked folder as a value: what was baked, from what, by which choices, and every file of it.

Field by field in docs/manifest.md. Changing, removing or adding a field changes the format: count `FORMAT` up.
"""

from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Final, Literal

from ...frontend.model import ModelConfig
from ...numeric.config import Formats, NumericConfig
from .modules import FilePath, MemoryModule, Module, Name, Size, View
from .names import END
from .typed import Pattern, Range

FORMAT: Final = 4
Count = Annotated[int, Range(0)]
Lane = Annotated[int, Range(-1)]
Digest = Annotated[str, Pattern("^[0-9a-f]{64}" + END, "64 hexadecimal digits")]


@dataclass(frozen=True)
class CheckpointSource:
    """The checkpoint that a model was made of."""

    name: str = field(metadata={"doc": "the checkpoint's folder"})
    sha256: Digest = field(
        metadata={"doc": "SHA-256 of its file; of shards, of their hexadecimal digests, joined by file name"}
    )


@dataclass(frozen=True)
class TileKind:
    """What the tiles of one kind have in common over all layers."""

    columns: Size = field(metadata={"doc": "columns, padding included: bits that enter in a clock"})
    beats: Size = field(metadata={"doc": "beats in which the rows leave"})
    lanes: Size = field(metadata={"doc": "rows of a beat"})
    acc_bits: Size = field(metadata={"doc": "bits of a row's sum"})
    row_groups: Size = field(metadata={"doc": "how often a vector passes, each time for another group of the rows"})


@dataclass(frozen=True)
class TileContent:
    """What a tile holds, whatever its view."""

    module: Name = field(metadata={"doc": "its module"})
    tensors: tuple[str, ...] = field(metadata={"doc": "the checkpoint's tensors, stacked, rows counted through"})
    rows: tuple[Lane, ...] = field(metadata={"doc": "the row that each place holds, -1 for none"})
    group_rows: Size = field(metadata={"doc": "places of a row group"})
    columns: tuple[Lane, ...] = field(metadata={"doc": "the column that each bit of the input is, -1 for none"})
    weights: Count = field(metadata={"doc": "weights, zeros included"})
    zero_weights: Count = field(metadata={"doc": "weights that are zero"})
    full_adders: Count = field(metadata={"doc": "digits of all weights: a full adder each, before any are shared"})


@dataclass(frozen=True)
class MerkleLeaf:
    """A leaf: the parameters, or a tensor."""

    name: str = field(metadata={"doc": "`parameters`, or the tensor as the checkpoint calls it"})
    shape: tuple[Count, ...] = field(metadata={"doc": "the tensor's shape"})
    sha256: Digest = field(metadata={"doc": "digest of the leaf"})


@dataclass(frozen=True)
class Merkle:
    """The Merkle tree of a model (docs/provenance.md)."""

    root: Digest = field(metadata={"doc": "its root"})
    leaves: tuple[MerkleLeaf, ...] = field(metadata={"doc": "its leaves, in the order of the data"})


@dataclass(frozen=True)
class ModelEntry:
    """What is a model's own: the target's, or the draft's."""

    checkpoint: CheckpointSource = field(metadata={"doc": "what it was made of"})
    quantized_model: FilePath = field(metadata={"doc": "file of the quantised model"})
    model: ModelConfig = field(metadata={"doc": "its shape and constants"})
    formats: Formats = field(metadata={"doc": "widths and fractions that calibration has found"})
    kv_heads_per_clock: Size = field(metadata={"doc": "KV heads that attention handles at once"})
    kinds: dict[str, TileKind] = field(metadata={"doc": "kind of tile → its shape"})
    tiles: tuple[TileContent, ...] = field(metadata={"doc": "what each tile holds, in the order of the data"})
    merkle: Merkle = field(metadata={"doc": "its Merkle tree"})


@dataclass(frozen=True)
class DraftEntry(ModelEntry):
    """The draft, a model that proposes tokens to the target."""

    ahead: Size = field(metadata={"doc": "tokens that it may run ahead of the target"})


@dataclass(frozen=True)
class Roles:
    """Files that are read by what they are for."""

    simulation: FilePath = field(metadata={"doc": "list of the Verilog files to simulate, leaves first"})
    synthesis: FilePath = field(metadata={"doc": "list of the Verilog files to synthesise, leaves first"})
    waivers: FilePath = field(metadata={"doc": "what Verilator is told about the chip"})
    tokenizer: FilePath = field(metadata={"doc": "the tokenizer of the models"})


@dataclass(frozen=True)
class Manifest(ModelEntry):
    """What was baked. Fields of the target stand at the top."""

    format: Literal[4] = field(metadata={"doc": "of the manifest"})
    hc1gen: str = field(metadata={"doc": "version of hc1gen that has baked"})
    top: Name = field(metadata={"doc": "the top module"})
    fabric: View = field(metadata={"doc": "the view or the views in which the tiles are there"})
    numeric_config: NumericConfig = field(metadata={"doc": "chosen widths and table sizes (docs/numeric.md)"})
    context: Size = field(metadata={"doc": "positions of a text"})
    lanes: Size = field(metadata={"doc": "elements of a beat of the residual stream"})
    token_bits: Size = field(metadata={"doc": "bits of a token on the chip's ports"})
    model_root: Digest = field(metadata={"doc": "Merkle root over all models, hardwired at the port `model_root`"})
    draft: DraftEntry | None = field(metadata={"doc": "the draft, null on a chip without one"})
    modules: tuple[Module, ...] = field(metadata={"doc": "every Verilog file, leaves first"})
    roles: Roles = field(metadata={"doc": "role → file"})
    files: dict[FilePath, Digest] = field(metadata={"doc": "every file but the manifest → its SHA-256"})

    @property
    def models(self) -> list[ModelEntry]:
        """The target, then the draft if there is one."""
        return [self] if self.draft is None else [self, self.draft]

    @property
    def memories(self) -> list[MemoryModule]:
        return [module for module in self.modules if isinstance(module, MemoryModule)]

    @property
    def tile_contents(self) -> dict[str, TileContent]:
        """Module → what the tile holds, of all models."""
        return {tile.module: tile for model in self.models for tile in model.tiles}

    def to_json(self) -> dict[str, Any]:
        """As objects and lists of JSON (tuples stand for lists)."""
        return asdict(self)
