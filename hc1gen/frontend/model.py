"""ModelIR: a Llama-family model as float32 arrays with one name for every tensor, and the check that it is whole."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from hc1gen.errors import InputError

EMBEDDING = "model.embed_tokens.weight"
FINAL_NORM = "model.norm.weight"
HEAD = "lm_head.weight"

# LayerWeights field -> suffix of its tensor name, in the order in which a token meets them.
LAYER_TENSORS = {
    "input_norm": "input_layernorm.weight",
    "q": "self_attn.q_proj.weight",
    "k": "self_attn.k_proj.weight",
    "v": "self_attn.v_proj.weight",
    "o": "self_attn.o_proj.weight",
    "post_norm": "post_attention_layernorm.weight",
    "gate": "mlp.gate_proj.weight",
    "up": "mlp.up_proj.weight",
    "down": "mlp.down_proj.weight",
}
NORMS = ("input_norm", "post_norm")
TOO_LARGE = 1 << 16
"""Weights from which on the squares of a residual stream may overflow float32."""


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a model and its constants. `bos` is None where prompts take none; `eos` may be empty."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    max_positions: int
    rms_eps: float
    rope_theta: float
    tied: bool
    bos: int | None
    eos: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """One decoder layer, float32. D = hidden, I = intermediate; a matrix is [outputs, inputs] as in the checkpoint."""

    input_norm: np.ndarray  # [D]
    q: np.ndarray  # [heads * head_dim, D]
    k: np.ndarray  # [kv_heads * head_dim, D]
    v: np.ndarray  # [kv_heads * head_dim, D]
    o: np.ndarray  # [D, heads * head_dim]
    post_norm: np.ndarray  # [D]
    gate: np.ndarray  # [I, D]
    up: np.ndarray  # [I, D]
    down: np.ndarray  # [D, I]


@dataclass(frozen=True, eq=False)
class ModelIR:
    """A whole model, float32. `head` is the same array object as `embedding` when the two are tied.

    `sha256` names the checkpoint file the arrays came from (for shards: the SHA-256 of their hex digests, joined in
    file name order) and `name` its folder. Arrays from `load_checkpoint` are read-only.
    """

    config: ModelConfig
    embedding: np.ndarray  # [V, D]
    layers: tuple[LayerWeights, ...]
    final_norm: np.ndarray  # [D]
    head: np.ndarray  # [V, D]
    sha256: str
    name: str

    @classmethod
    def of(cls, config: ModelConfig, arrays: Mapping[str, np.ndarray], sha256: str, name: str) -> "ModelIR":
        """The model whose tensors stand in `arrays` under their names; a tied head is the embedding."""
        layers = tuple(
            LayerWeights(**{field: arrays[layer_tensor(index, field)] for field in LAYER_TENSORS})
            for index in range(config.layers)
        )
        head = arrays[EMBEDDING] if config.tied else arrays[HEAD]
        return cls(config, arrays[EMBEDDING], layers, arrays[FINAL_NORM], head, sha256, name)

    def mapped(self, change: Callable[[str, np.ndarray], np.ndarray]) -> "ModelIR":
        """The same model with `change(name, array)` in the place of every stored tensor."""
        arrays = {name: change(name, array) for name, array in self.tensors()}
        return ModelIR.of(self.config, arrays, self.sha256, self.name)

    def untied(self) -> "ModelIR":
        """The same model with a head of its own; a chip has a tile for it and a ROM for the embedding in any case."""
        return replace(self, config=replace(self.config, tied=False))

    def matrices(self) -> Iterator[tuple[str, np.ndarray]]:
        """Every linear matrix as (tensor name, [outputs, inputs]); the head comes last, tied or not."""
        for index, layer in enumerate(self.layers):
            for field in LAYER_TENSORS:
                if field not in NORMS:
                    yield layer_tensor(index, field), getattr(layer, field)
        yield HEAD, self.head

    def tensors(self) -> Iterator[tuple[str, np.ndarray]]:
        """Every stored tensor as (tensor name, array); a tied head is not stored a second time."""
        yield EMBEDDING, self.embedding
        for index, layer in enumerate(self.layers):
            for field in LAYER_TENSORS:
                yield layer_tensor(index, field), getattr(layer, field)
        yield FINAL_NORM, self.final_norm
        if not self.config.tied:
            yield HEAD, self.head

    def verify(self) -> None:
        """Raises InputError with every wrong layer count, shape, dtype, tie, NaN or infinity."""
        if len(self.layers) != self.config.layers:
            raise InputError(self.name, f"got {len(self.layers)} layers, expected {self.config.layers}")
        shapes = expected_shapes(self.config)
        problems = [p for name, array in self.tensors() if (p := _array_problem(name, array, shapes[name]))]
        if self.config.tied and self.head is not self.embedding:
            problems.append(f"{HEAD}: a tied head must be the embedding array itself")
        if problems:
            raise InputError(self.name, problems)


def layer_tensor(index: int, field: str) -> str:
    """The tensor name of one LayerWeights field, e.g. `model.layers.0.self_attn.q_proj.weight`."""
    return f"model.layers.{index}.{LAYER_TENSORS[field]}"


def expected_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Tensor name -> shape of everything that a checkpoint of this shape must hold (no head when tied)."""
    c = config
    queries, keys = c.heads * c.head_dim, c.kv_heads * c.head_dim
    layer: dict[str, tuple[int, ...]] = {
        "input_norm": (c.hidden,),
        "q": (queries, c.hidden),
        "k": (keys, c.hidden),
        "v": (keys, c.hidden),
        "o": (c.hidden, queries),
        "post_norm": (c.hidden,),
        "gate": (c.intermediate, c.hidden),
        "up": (c.intermediate, c.hidden),
        "down": (c.hidden, c.intermediate),
    }
    shapes: dict[str, tuple[int, ...]] = {EMBEDDING: (c.vocab, c.hidden)}
    for index in range(c.layers):
        shapes |= {layer_tensor(index, field): shape for field, shape in layer.items()}
    shapes[FINAL_NORM] = (c.hidden,)
    if not c.tied:
        shapes[HEAD] = (c.vocab, c.hidden)
    return shapes


def _array_problem(name: str, array: np.ndarray, shape: tuple[int, ...]) -> str | None:
    if array.shape != shape or array.dtype != np.float32:
        return f"{name}: got {array.dtype} {list(array.shape)}, expected float32 {list(shape)}"
    bad = ~np.isfinite(array)
    if not bad.any():
        largest = float(np.abs(array).max(initial=0.0))
        return (
            None if largest < TOO_LARGE else f"{name}: got a weight of {largest:.3g}, expected less than {TOO_LARGE:,}"
        )
    first = [int(i) for i in np.unravel_index(int(bad.argmax()), shape)]
    return f"{name}: {int(bad.sum())} of {array.size} values are NaN or infinite, the first at {first}"
