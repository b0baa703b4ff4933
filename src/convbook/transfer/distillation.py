"""Distillation: a student learns from a teacher's softened scores (Hinton et al. 2015, section 2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convbook.training.evaluation import model_device


def soft_targets(scores: Tensor, temperature: float) -> Tensor:
    """Probabilities (..., K) of scores (..., K) divided by a temperature: the higher, the more even.

    At temperature 1 this is the softmax; towards infinity all classes come to 1 / K, in the order and in
    proportion to the distances of their scores.

    >>> [round(p, 3) for p in soft_targets(torch.tensor([9.0, 1.0]).log(), temperature=2).tolist()]
    [0.75, 0.25]
    """
    _check_temperature(temperature)
    return torch.softmax(scores.float() / temperature, dim=-1)


def distillation_loss(
    scores: Tensor, teacher_scores: Tensor, labels: Tensor, temperature: float = 4.0, soft: float = 0.9
) -> Tensor:
    """Follow the teacher at a high temperature and the labels at temperature 1.

    ``soft * T**2 * KL(teacher at T || student at T) + (1 - soft) * cross-entropy(student at 1, labels)``,
    the mean over the batch.

    The gradient of the first term by a score is (q - p) / T for the softened probabilities q and p, and for
    large T their distance shrinks as 1 / T too: without the factor T**2 a higher temperature would hand the
    weight over to the labels. The paper has the cross-entropy of p and q there. It differs from the
    divergence by the entropy of p, which has no gradient; without it a perfect student has loss 0.

    Args:
        scores: the student's, (B, K).
        teacher_scores: the teacher's, (B, K); no gradient goes there.
        labels: int64 (B,), or probabilities (B, K). Not looked at if ``soft`` is 1.
        temperature: T; for MNIST's 784-800-800-10 the paper takes 20.
        soft: the first term's weight, from 0 to 1; the paper gives the labels considerably less than half.

    Returns:
        A scalar, float32 also for scores in 16 bits.

    Raises:
        ValueError: if the scores are not of the same classes or a number is out of range.
    """
    _check_temperature(temperature)
    _check_soft(soft)
    if scores.shape != teacher_scores.shape:
        raise ValueError(
            f"student and teacher must score the same classes: got scores {tuple(scores.shape)} and "
            f"{tuple(teacher_scores.shape)}"
        )
    scores, teacher_scores = scores.float(), teacher_scores.detach().float()
    student = F.log_softmax(scores / temperature, dim=1)
    teacher = F.log_softmax(teacher_scores / temperature, dim=1)
    loss = soft * temperature**2 * F.kl_div(student, teacher, reduction="batchmean", log_target=True)
    return loss if soft == 1 else loss + (1 - soft) * F.cross_entropy(scores, labels)


class Distillation:
    """An objective for :func:`convbook.training.fit` that follows a teacher.

    The teacher is asked about the very images that the student sees, augmented or blended as they are. It
    runs in evaluation mode, without gradients and in the precision of the student's step. It is no part of
    the student: its weights are not trained, decayed or saved with it.

    >>> teacher, student = nn.Linear(4, 3), nn.Linear(4, 3)
    >>> objective = Distillation(teacher, temperature=20, soft=1)
    >>> objective
    Distillation(Linear, temperature=20, soft=1)
    >>> loss, scores = objective(student, torch.randn(2, 4), torch.tensor([0, 2]))
    >>> loss.backward()
    >>> scores.shape, teacher.weight.grad
    (torch.Size([2, 3]), None)

    Args:
        teacher: scores images (N, C, H, W) -> (N, K), such as an :class:`Ensemble`. It is moved to the
            images' device at the first batch and left in evaluation mode.
        temperature: see :func:`distillation_loss`.
        soft: see :func:`distillation_loss`; 1 leaves the labels out.
    """

    def __init__(self, teacher: nn.Module, *, temperature: float = 4.0, soft: float = 0.9) -> None:
        _check_temperature(temperature)
        _check_soft(soft)
        self.teacher, self.temperature, self.soft = teacher.eval(), temperature, soft

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The batch's loss (a scalar) and the student's scores (B, K)."""
        if model_device(self.teacher) != images.device:
            self.teacher.to(images.device)
        if self.teacher.training:  # somebody else has trained it in between
            self.teacher.eval()
        with torch.no_grad():
            teacher_scores = self.teacher(images)
        scores = model(images)
        if isinstance(scores, tuple):
            raise ValueError("the student has auxiliary heads, which no teacher speaks to: build it without")
        return distillation_loss(scores, teacher_scores, labels, self.temperature, self.soft), scores

    def __repr__(self) -> str:
        """As records name the loss."""
        name = type(self.teacher).__name__
        return f"Distillation({name}, temperature={self.temperature:g}, soft={self.soft:g})"


def _check_temperature(temperature: float) -> None:
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0; got {temperature}")


def _check_soft(soft: float) -> None:
    if not 0 <= soft <= 1:
        raise ValueError(f"soft is the teacher's share of the loss, from 0 to 1; got {soft}")
