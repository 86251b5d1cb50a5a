"""Post-training quantisation: the float model and the rounded model process a text side by side, layer by layer.

A matrix is rounded for the inputs that it has in the rounded model. Its target is the output of the float model at the
same place. The matrices that write into the residual stream (o, down) also compensate for the error that the stream has
gathered so far. There are no gradients: every step is a least squares problem, over floats or over the grid.
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
"""Called with the name of the current tensor and the number of layers that are done."""


@dataclass(frozen=True)
class Method:
    """A method of rounding.

    nearest: every weight is rounded to the nearest by itself (RTN), and the other fields have no effect. follow: the
    target is the output of the float model, not the output of the float weights on the rounded model's inputs. repair:
    the share of the residual stream's error that o and down compensate for. ridge: see `Target.best`. vocabulary: the
    head is rounded so that its probabilities change least. effort: see `Effort`.
    """

    nearest: bool = False
    follow: bool = False
    repair: float = 0.0
    ridge: float = 0.003
    vocabulary: bool = True
    effort: Effort = field(default_factory=Effort)


LARGE = 4_000_000
"""If a model has more weights than this, less effort is spent on each weight."""
METHODS = {
    "rtn": Method(nearest=True, vocabulary=False),
    "gptq": Method(vocabulary=False, effort=Effort(ratios=(1.0,), sweeps=0)),
    "follow": Method(follow=True, repair=1.0),
}
USUAL = "follow"


@dataclass(frozen=True)
class TensorReport:
    """The result for one matrix.

    error: root mean square error of its outputs on the calibration text, relative to the wanted outputs. rtn_error: the
    same if it were rounded to the nearest. zeros: the share of weights that are 0.
    """

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
    """Returns `ir` with every matrix rounded to the grid, and a report on each; calibrated on `tokens` [S, T].

    bits: tensor → its bits, for the tensors that get more than 3. The result has the name and the hash of `ir`. Its
    head is not tied to the embedding.
    """  # fmt: skip
    ir = ir.untied()
    walk = _Walk(ir, tokens, method, progress or (lambda name, done: None), bits or {})
    layers = tuple(walk.layer(index) for index in range(ir.config.layers))
    head = walk.head().array()
    return replace(ir, embedding=walk.embedding.array(), layers=layers, head=head), walk.reports


class _Walk:
    """Both models before the next layer, with their residual streams [S, T, D]: f (float model) and x (rounded)."""

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
        """Rounds the embedding to the nearest.

        That is the best here: a row has no input but its token, and its whole error enters the residual stream.
        """
        rounded = Rounded.nearest(self.ir.embedding, self._bits(EMBEDDING))
        counts = np.bincount(tokens.reshape(-1), minlength=self.ir.config.vocab)
        error = _lookup_error(self.ir.embedding, rounded.array(), counts)
        self._report(EMBEDDING, rounded, error, error)
        return rounded

    def layer(self, index: int) -> LayerWeights:
        """Rounds layer `index`, the next one, and moves both residual streams to its output. Returns its matrices."""
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
        """Rounds the head for the final inputs of the rounded model."""
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
        """Rounds the matrices `fields` of a layer. They share the inputs x [S, T, N], and f in the float model."""
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
        """Rounds matrices [R, N] that share their inputs, with the second moment H [N, N] of the inputs."""
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
    """Returns the root mean square error of the looked-up rows over the text, relative to that of the embedding.

    counts: how often each token occurs in the text [V].
    """
    missed = counts @ np.square(rounded - embedding, dtype=np.float64).sum(axis=1)
    return float(np.sqrt(missed / (counts @ np.square(embedding, dtype=np.float64).sum(axis=1))))
