"""What training makes small: how far the student's distribution is from the teacher's."""

from collections.abc import Callable

import torch
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


def divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(teacher || student), mean nats per position of logits [.., V] (distillation: Hinton, Vinyals, Dean 2015)."""
    log_p, log_q = torch.log_softmax(teacher, dim=-1), torch.log_softmax(student, dim=-1)
    return (log_p.exp() * (log_p - log_q)).sum(dim=-1).mean()


def rejection(student: Tensor, teacher: Tensor) -> Tensor:
    """1 - sum of min(p, q), mean over positions: how often a draft that samples from q is rejected at temperature 1."""
    return 1.0 - torch.minimum(torch.softmax(teacher, dim=-1), torch.softmax(student, dim=-1)).sum(dim=-1).mean()


def draft_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Rejection, with a little divergence: where p > q nearly everywhere, rejection alone has hardly a slope."""
    return rejection(student, teacher) + 0.1 * divergence(student, teacher)


LOSSES: dict[str, Loss] = {"divergence": divergence, "acceptance": draft_loss}
