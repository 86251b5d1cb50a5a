"""Post-training quantisation: a float model and the model made of its rounded matrices read a text side by side.

Layer by layer. What a matrix meets in the rounded model is what it is rounded for; what it should put out is what the
float model puts out there, and the matrices that write into the residual stream (o, down) also make up for what the
stream has lost so far. No gradients: every step is least squares, over floats or over the grid.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..frontend import reference
from ..frontend.model import EMBEDDING, HEAD, LayerWeights, ModelIR, layer_tensor
from .gptq import Effort, round_rows
from .grid import BITS
from .moments import Moments, Target
from .rounded import Rounded
from .vocabulary import head_error, head_moments

Progress = Callable[[str, int], object]
"""Called with the tensor at hand and how many layers are done."""


@dataclass(frozen=True)
class Method:
    """A way to round. nearest: every weight on its own (RTN), the rest is unused.

    follow: outputs are to be those of the float model, not those of the float weights for the rounded model's inputs;
    repair: share of the residual stream's loss that o and down are to make up for; ridge: what holds the float weights
    near the model's own (`Target.best`); vocabulary: the head is rounded for the probabilities that it makes.
    """

    nearest: bool = False
    follow: bool = False
    repair: float = 0.0
    ridge: float = 0.003
    vocabulary: bool = True
    effort: Effort = field(default_factory=Effort)


LARGE = 4_000_000
"""A model of more weights gets less effort for each."""
METHODS = {
    "rtn": Method(nearest=True, vocabulary=False),
    "gptq": Method(vocabulary=False, effort=Effort(ratios=(1.0,), sweeps=0)),
    "follow": Method(follow=True, repair=1.0),
}
USUAL = "follow"


@dataclass(frozen=True)
class TensorReport:
    """How well a matrix does: error of its outputs on the calibration text relative to those wanted, root mean square,
    and what rounding to the nearest would have had in its place; zeros: share of weights that are 0."""

    name: str
    rows: int
    columns: int
    bits: int
    error: float
    rtn_error: float
    zeros: float


def posttrain(
    ir: ModelIR,
    tokens: np.ndarray,
    method: Method,
    progress: Progress | None = None,
    bits: Mapping[str, int] | None = None,
) -> tuple[ModelIR, list[TensorReport]]:
    """`ir` with every matrix on the grid, exactly, and what became of each; calibrated on `tokens` [S, T].

    bits: of tensors that get more than 3. The result has the name and the hash of `ir`, and a head of its own.
    """  # fmt: skip
    ir = ir.untied()
    walk = _Walk(ir, tokens, method, progress or (lambda name, done: None), bits or {})
    layers = tuple(walk.layer(index) for index in range(ir.config.layers))
    head = walk.head().array()
    return replace(ir, embedding=walk.embedding.array(), layers=layers, head=head), walk.reports


class _Walk:
    """Both models in front of the next layer: residual streams `f` and `x` [S, T, D] of the float and the rounded."""

    def __init__(self, ir: ModelIR, tokens: np.ndarray, method: Method, progress: Progress, bits: Mapping[str, int]):
        weights = sum(array.size for _, array in ir.matrices())
        if weights > LARGE:
            method = replace(
                method, effort=replace(method.effort, ratios=(0.9,), sweeps=min(3, method.effort.sweeps), candidates=8)
            )
        self.ir, self.method, self.progress, self.bits = ir, method, progress, bits
        self.reports: list[TensorReport] = []
        self.rotation = reference.rope_tables(ir.config, tokens.shape[1])
        progress(EMBEDDING, 0)
        self.embedding = self._embedding(tokens)
        self.f, self.x = ir.embedding[tokens], self.embedding.array()[tokens]

    def _embedding(self, tokens: np.ndarray) -> Rounded:
        """To the nearest: all of a row's error enters the residual stream, and a row meets nothing but its token."""
        rounded = Rounded.nearest(self.ir.embedding, self._bits(EMBEDDING))
        counts = np.bincount(tokens.reshape(-1), minlength=self.ir.config.vocab)
        error = _lookup_error(self.ir.embedding, rounded.array(), counts)
        self._report(EMBEDDING, rounded, error, error)
        return rounded

    def layer(self, index: int) -> LayerWeights:
        """Round the next layer, and move both models behind it."""
        layer, eps = self.ir.layers[index], self.ir.config.rms_eps
        made = layer
        seen_f, seen_x = (reference.rms_norm(s, layer.input_norm, eps) for s in (self.f, self.x))
        q, k, v = self._round(index, ("q", "k", "v"), seen_x, seen_f)
        made = replace(made, q=q.array(), k=k.array(), v=v.array())
        mixed_f, mixed_x = self._mixed(layer, seen_f), self._mixed(made, seen_x)
        (o,) = self._round(index, ("o",), mixed_x, mixed_f)
        made = replace(made, o=o.array())
        self.f, self.x = self.f + mixed_f @ layer.o.T, self.x + mixed_x @ made.o.T
        return self._mlp(index, layer, made)

    def _mlp(self, index: int, layer: LayerWeights, made: LayerWeights) -> LayerWeights:
        eps = self.ir.config.rms_eps
        seen_f, seen_x = (reference.rms_norm(s, layer.post_norm, eps) for s in (self.f, self.x))
        gate, up = self._round(index, ("gate", "up"), seen_x, seen_f)
        made = replace(made, gate=gate.array(), up=up.array())
        hidden_f, hidden_x = reference.gated(layer, seen_f), reference.gated(made, seen_x)
        (down,) = self._round(index, ("down",), hidden_x, hidden_f)
        made = replace(made, down=down.array())
        self.f, self.x = self.f + hidden_f @ layer.down.T, self.x + hidden_x @ made.down.T
        return made

    def head(self) -> Rounded:
        """The head, rounded for the rounded model's final inputs."""
        self.progress(HEAD, self.ir.config.layers)
        norm, eps, bits = self.ir.final_norm, self.ir.config.rms_eps, self._bits(HEAD)
        seen_x, plain = reference.rms_norm(self.x, norm, eps), Rounded.nearest(self.ir.head, bits)
        moments = head_moments(self.ir.head, iter(seen_x))
        rounded = plain
        if self.method.vocabulary:
            rounded = Rounded.of(*round_rows(self.ir.head, moments, self.method.effort, bits))
        self._report(HEAD, rounded, *(head_error(self.ir.head, r.array(), moments) for r in (rounded, plain)))
        return rounded

    def _mixed(self, layer: LayerWeights, seen: np.ndarray) -> np.ndarray:
        return np.stack([reference.mix(layer, self.ir.config, row, self.rotation) for row in seen])

    def _round(self, index: int, fields: tuple[str, ...], x: np.ndarray, f: np.ndarray) -> list[Rounded]:
        """Round matrices of a layer that have the inputs x [S, T, N], in the float model f."""
        self.progress(layer_tensor(index, fields[0]), index)
        weights = [getattr(self.ir.layers[index], field) for field in fields]
        bits = [self._bits(layer_tensor(index, field)) for field in fields]
        targets = self._targets(weights, x, f, writes=fields[0] in ("o", "down"))
        plain = [Rounded.nearest(w, b) for w, b in zip(weights, bits, strict=True)]
        if self.method.nearest:
            made = plain
        else:
            best = [t.best(w, self.method.ridge) for t, w in zip(targets, weights, strict=True)]
            made = self._together(best, targets[0].xx, bits)
        for name, rounded, nearest, target in zip(fields, made, plain, targets, strict=True):
            errors = (target.error(each.array()) for each in (rounded, nearest))
            self._report(layer_tensor(index, name), rounded, *errors)
        return made

    def _bits(self, name: str) -> int:
        return self.bits.get(name, BITS)

    def _together(self, rows: list[np.ndarray], h: np.ndarray, bits: list[int]) -> list[Rounded]:
        """Matrices [R, N] with common inputs, under one H [N, N]."""
        of_rows = np.repeat(bits, [len(m) for m in rows])
        q, scale = round_rows(np.concatenate(rows), h.astype(np.float32), self.method.effort, of_rows)
        ends = np.cumsum([len(m) for m in rows])[:-1]
        return [Rounded.of(*part) for part in zip(np.split(q, ends), np.split(scale, ends), strict=True)]

    def _targets(self, weights: list[np.ndarray], x: np.ndarray, f: np.ndarray, writes: bool) -> list[Target]:
        moments = Moments.of(x, f)
        if not self.method.follow:
            return [moments.own_target(w) for w in weights]
        targets = [moments.target(w) for w in weights]
        if not writes:
            return targets
        drift = np.float32(self.method.repair) * (self.f - self.x)
        return [t.plus(w, f, drift, x) for t, w in zip(targets, weights, strict=True)]

    def _report(self, name: str, rounded: Rounded, error: float, rtn_error: float) -> None:
        zeros, (rows, columns) = float(np.mean(rounded.weights == 0)), rounded.weights.shape
        self.reports.append(TensorReport(name, rows, columns, self._bits(name), error, rtn_error, zeros))


def _lookup_error(embedding: np.ndarray, rounded: np.ndarray, counts: np.ndarray) -> float:
    """Root mean square of what lookups of the text's tokens miss, relative to that of the embedding."""
    missed = counts @ np.square(rounded - embedding, dtype=np.float64).sum(axis=1)
    return float(np.sqrt(missed / (counts @ np.square(embedding, dtype=np.float64).sum(axis=1))))
