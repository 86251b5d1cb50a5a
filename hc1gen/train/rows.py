"""Rows that are trained: latent weights, the logs of their scales, and how wide their integers may be."""

import numpy as np
import torch
from torch import Tensor, nn

from ..quant.grid import MOST_BITS, Bits, quantize_rows, row_bits, row_bounds
from ..quant.rounded import Rounded
from .arithmetic import Latent, to_integers


class LatentRows(nn.Module):
    """A matrix [R, N] that starts from `rows`, rounded to `bits`; a row on a grid of up to 6 bits keeps
    that, and whether it is mirrored stays as it was at the start."""

    low: Tensor
    high: Tensor

    def __init__(self, rows: np.ndarray, bits: Bits):
        super().__init__()
        q, scale = quantize_rows(rows, bits, MOST_BITS)
        self.weights = nn.Parameter(torch.tensor(rows, dtype=torch.float32))
        self.log_scale = nn.Parameter(torch.tensor(np.log(scale), dtype=torch.float32))
        for name, bound in zip(("low", "high"), row_bounds(q, np.maximum(row_bits(q), bits)), strict=True):
            self.register_buffer(name, torch.tensor(bound, dtype=torch.float32))

    def latent(self) -> Latent:
        """As the functions take it that torch compiles."""
        return Latent(self.weights, self.log_scale, self.low, self.high)

    def dampen(self, strength: float) -> None:
        """Add to the gradient what draws each latent weight to the integer that it is rounded to.

        Straight through, a weight whose best value lies between two integers is driven back and forth across the
        threshold, and where it stands when training ends is chance. Drawn to the middle it stays on one side, and the
        others make up for it (dampening: Nagel et al., ICML 2022). Clipped weights are left alone.
        """
        with torch.no_grad():
            scale = torch.exp(self.log_scale)[:, None]
            steps = self.weights / scale
            off = steps - to_integers(steps, self.low, self.high)
            inside = (steps > self.low[:, None]) & (steps < self.high[:, None])
            assert self.weights.grad is not None
            self.weights.grad.add_(off * scale * inside, alpha=strength)

    def rounded(self) -> Rounded:
        """The integers and scales at hand."""
        with torch.no_grad():
            scale = torch.exp(self.log_scale)
            q = to_integers(self.weights / scale[:, None], self.low, self.high)
        return Rounded.of(q.cpu().numpy(), scale.cpu().numpy().astype(np.float64))
