"""Lab 6: distillation into a small student."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convbook.models import create_model
from courseware.grading.assignment import Draw, Exercise
from courseware.grading.inside.wire import Model
from courseware.grading.trials import Build, Call, Network, Trial

SOFTMAX = ("softmax", "log_softmax", "Softmax", "LogSoftmax", "softmin", "gumbel_softmax", "special")
AUTOGRAD = ("backward", "autograd", "requires_grad", "requires_grad_", "func", "vjp", "jacobian")
FEWER_THAN = 50_000  # parameters of a student


def soft_targets(draw: Draw) -> list[Trial]:
    """Drawn logits at several temperatures, and logits that overflow an exponential."""
    trials: list[Trial] = []
    for temperature, scale in [(1.0, 2.0), (draw.integer(2, 9), 4.0), (0.5, 2.0), (1.0, 4000.0)]:
        logits = draw.tensor(draw.integer(2, 6), draw.integer(3, 9), scale=scale)
        expected = torch.softmax(logits / temperature, dim=1)
        hint = "Divide the logits by T; exponentials over their sum; nothing may overflow"
        trials.append(Call(logits, temperature, expected=expected, hint=hint))
    return trials


def distillation_loss(draw: Draw) -> list[Trial]:
    """Each part of the loss by itself, and both together."""
    hints = {
        0.0: "At alpha 0 the cross-entropy with the labels is left, at temperature 1",
        1.0: "At alpha 1 the divergence is left, times T squared: sum over classes, mean over images",
        0.7: "alpha weighs the teacher, 1 - alpha the labels",
    }
    trials: list[Trial] = []
    for alpha, temperature in [(0.0, 3.0), (1.0, 1.0), (1.0, draw.integer(2, 9)), (0.7, draw.integer(2, 9))]:
        n, classes = draw.integer(3, 8), draw.integer(3, 9)
        student, teacher = draw.tensor(n, classes, scale=2), draw.tensor(n, classes, scale=2)
        labels = draw.labels(n, classes)
        p, q = (torch.softmax(each / temperature, dim=1) for each in (teacher, student))
        soft = (p * (p / q).log()).sum() / n
        hard = -F.log_softmax(student, dim=1)[torch.arange(n), labels].mean()
        expected = alpha * temperature**2 * soft + (1 - alpha) * hard
        args = (student, teacher, labels, temperature, alpha)
        trials.append(Call(*args, expected=expected, hint=hints[alpha], tolerance=1e-3))
    return trials


def soft_gradient(draw: Draw) -> list[Trial]:
    """What autograd finds for the soft part."""
    trials: list[Trial] = []
    for temperature in (1.0, draw.integer(2, 5), draw.integer(6, 9)):
        n, classes = draw.integer(3, 8), draw.integer(3, 9)
        student, teacher = draw.tensor(n, classes, scale=2), draw.tensor(n, classes, scale=2)
        p = torch.softmax(teacher / temperature, dim=1)
        leaf = student.clone().requires_grad_()
        loss = temperature**2 * (p * (p.log() - F.log_softmax(leaf / temperature, dim=1))).sum() / n
        (expected,) = torch.autograd.grad(loss, leaf)
        hint = "The softened probabilities of student and teacher, a power of T, and the mean over the images"
        trials.append(Call(student, teacher, temperature, expected=expected, hint=hint))
    return trials


def ensemble_targets(draw: Draw) -> list[Trial]:
    """Both means of a drawn number of teachers."""
    trials: list[Trial] = []
    for mean in ("arithmetic", "geometric"):
        logits = draw.tensor(draw.integer(2, 4), draw.integer(3, 6), draw.integer(3, 9), scale=2)
        probabilities = logits.softmax(dim=2)
        joined = probabilities.mean(dim=0) if mean == "arithmetic" else probabilities.log().mean(dim=0).exp()
        expected = joined / joined.sum(dim=1, keepdim=True)
        hint = f"The {mean} mean of probabilities over the teachers; each row adds up to one"
        trials.append(Call(logits, mean, expected=expected, hint=hint))
    return trials


def dark_knowledge(draw: Draw) -> list[Trial]:
    """Drawn probabilities; one class has no image."""
    classes = draw.integer(4, 7)
    empty = draw.integer(0, classes - 1)
    labels = draw.labels(5 * classes, classes)
    labels[labels == empty] = (empty + 1) % classes
    probabilities = draw.tensor(len(labels), classes, scale=2).softmax(dim=1)
    sums = F.one_hot(labels, classes).float().T @ probabilities
    sums.fill_diagonal_(0)
    expected = sums / sums.sum(dim=1, keepdim=True).clamp_min(1e-12)
    hint = "Row c: the mean over images with label c, its own entry zero, divided by its sum; or zeros"
    return [Call(probabilities, labels, expected=expected, hint=hint)]


class Frozen(nn.Module):
    """A teacher in evaluation mode, whatever mode is asked for."""

    def __init__(self, teacher: nn.Module) -> None:
        super().__init__()
        self.teacher = teacher

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, K)."""
        return self.teacher.eval()(x)


def frozen(draw: Draw) -> list[Trial]:
    """A small network around which both modes are set."""
    options: dict[str, Any] = {"config": ((12, 2),), "stem_channels": 8, "in_channels": 2, "num_classes": 5}
    trials: list[Trial] = []
    for train in (False, True):
        reference = Frozen(create_model("mobilenet_v1", **options))
        hint = "The teacher answers in evaluation mode, whatever mode is set from outside and whenever"
        inputs = [draw.tensor(4, 2, 12, 12, scale=3)]
        trials.append(
            Build(Model("mobilenet_v1", options), reference=reference, inputs=inputs, train=train, hint=hint)
        )
    return trials


def student(draw: Draw) -> list[Trial]:
    """The student's own network, for grey and for coloured images."""
    return [
        Network(channels, image=(channels, 32, 32), classes=10, max_params=FEWER_THAN - 1)
        for channels in (1, 3)
    ]


EXERCISES = (
    Exercise("soft_targets", 10, soft_targets, without=SOFTMAX),
    Exercise("distillation_loss", 20, distillation_loss),
    Exercise("soft_gradient", 20, soft_gradient, without=AUTOGRAD),
    Exercise("ensemble_targets", 15, ensemble_targets),
    Exercise("dark_knowledge", 15, dark_knowledge),
    Exercise("Frozen", 10, frozen),
    Exercise("Student", 10, student),
)
