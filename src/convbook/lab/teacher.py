"""Checks of the lab "What a teacher knows"."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convbook.lab.checking import (
    Check,
    require,
    require_close,
    require_module,
    require_tensor,
    require_traceable,
    require_without,
    unsettle,
)

SOFTMAX = ("softmax", "log_softmax", "Softmax", "LogSoftmax", "softmin", "gumbel_softmax", "special")
AUTOGRAD = ("backward", "autograd", "requires_grad", "requires_grad_", "func", "vjp", "jacobian")
LIMIT = 50_000  # a student's parameters stay below


def soft_targets(function: Callable) -> None:
    """A softmax at a temperature, safe against overflow."""
    require_without(function, SOFTMAX)
    for temperature in (1.0, 4.0, 0.5):
        logits = _normal(6, 5, seed=1)
        p = _probabilities(
            function(logits.clone(), temperature), (6, 5), f"With T = {temperature:g} the result"
        )
        require_close(
            p,
            torch.softmax(logits / temperature, dim=1),
            f"With T = {temperature:g} the numbers differ: divide the logits, not the probabilities",
        )
    large = torch.tensor([[500.0, 499.0, -500.0], [-800.0, -801.0, -802.0]])
    p = function(large.clone(), 1.0)
    require(
        isinstance(p, Tensor) and bool(p.isfinite().all()),
        "with logits in the hundreds the result is not finite: what may be subtracted from all logits of an "
        "image without changing its probabilities?",
    )
    require_close(p, large.softmax(dim=1), "with logits in the hundreds the numbers differ")


def distillation_loss(function: Callable) -> None:
    """Both parts of the loss, against PyTorch's, and where its gradients go."""
    for n, classes, temperature, alpha in [
        (8, 5, 1.0, 0.0),
        (8, 5, 1.0, 1.0),
        (6, 10, 4.0, 1.0),
        (8, 5, 2.0, 0.7),
    ]:
        case = f"With T = {temperature:g} and alpha = {alpha:g}"
        student, teacher = _normal(n, classes, seed=2).requires_grad_(), _normal(n, classes, seed=3)
        labels = torch.arange(n) % classes
        loss = require_tensor(function(student, teacher, labels, temperature, alpha), (), f"{case} the loss")
        soft = F.kl_div(
            F.log_softmax(student / temperature, dim=1),
            F.log_softmax(teacher / temperature, dim=1),
            reduction="batchmean",
            log_target=True,
        )
        expected = alpha * temperature**2 * soft + (1 - alpha) * F.cross_entropy(student, labels)
        found, wanted = loss.item(), expected.item()
        if not _near(found, wanted):
            require(
                not _near(found * classes, wanted), f"{case}: average over the images, sum over the classes"
            )
            require(
                not _near(found * temperature**2, wanted), f"{case}: the factor of the temperature is missing"
            )
            require(False, f"{case} the loss differs: {_part(alpha)}")
        require(loss.requires_grad, "no gradient flows to the student: is something detached, or a float?")


def _part(alpha: float) -> str:
    """Which part of the loss to look at."""
    if alpha == 0:
        return "what remains is the cross-entropy of the student's own logits, at temperature 1"
    if alpha == 1:
        return "what remains is the divergence of student from teacher, both softened; mind its direction"
    return "alpha weighs the teacher, 1 - alpha the labels"


def soft_gradient(function: Callable) -> None:
    """The gradient of the soft part, against autograd's."""
    require_without(function, AUTOGRAD)
    for n, classes, temperature in [(1, 4, 1.0), (6, 4, 1.0), (6, 10, 5.0)]:
        case = f"For {n} images of {classes} classes at T = {temperature:g}"
        student, teacher = _normal(n, classes, seed=4).requires_grad_(), _normal(n, classes, seed=5)
        p = torch.softmax(teacher / temperature, dim=1)
        loss = temperature**2 * (p * (p.log() - F.log_softmax(student / temperature, dim=1))).sum() / n
        (expected,) = torch.autograd.grad(loss, student)
        answer = function(student.detach().clone(), teacher.clone(), temperature)
        gradient = require_tensor(answer, (n, classes), f"{case} the gradient")
        if not _close(gradient, expected):
            require(not _close(-gradient, expected), f"{case} the sign is the wrong way round")
            require(
                n == 1 or not _close(gradient / n, expected), f"{case}: the loss is a mean over the images"
            )
            hint = "which power of T is left?" if temperature != 1 else "compare with the formula you derived"
            require(False, f"{case} the numbers differ: {hint}")


def ensemble_targets(function: Callable) -> None:
    """Both means of several teachers' probabilities."""
    for models, n, classes in [(1, 4, 3), (3, 5, 4)]:
        logits = _normal(models, n, classes, seed=6)
        for mean in ("arithmetic", "geometric"):
            what = f"The {mean} mean of {models} teachers"
            p = _probabilities(function(logits.clone(), mean), (n, classes), what)
            probabilities = logits.softmax(dim=2)
            if mean == "arithmetic":
                expected = probabilities.mean(dim=0)
            else:
                product = probabilities.prod(dim=0) ** (1 / models)
                expected = product / product.sum(dim=1, keepdim=True)
            require_close(
                p, expected, f"{what} differs: is the mean taken of probabilities, over the teachers?"
            )


def dark_knowledge(function: Callable) -> None:
    """A table of second guesses, against sums written as loops."""
    for labels in (torch.tensor([0, 1, 2, 0, 1, 2, 2]), torch.tensor([3, 0, 3, 0, 0])):
        p = _normal(len(labels), 4, seed=7).softmax(dim=1)
        table = require_tensor(function(p.clone(), labels.clone()), (4, 4), "The table")
        missing = [c for c in range(4) if c not in labels.tolist()]
        require(not table[missing].any(), "a class without images has a row of zeros")
        require(
            not table.diagonal().any(), "on the diagonal stand zeros: only the other classes are shared out"
        )
        sums = table.sum(dim=1)[labels.unique()]
        require(torch.allclose(sums, torch.ones(len(sums)), atol=1e-4), "each row with images adds up to one")
        for c in labels.unique().tolist():
            row = [0.0] * 4
            for image, label in zip(p.tolist(), labels.tolist(), strict=True):
                row = [
                    old + new * (label == c and i != c)
                    for i, (old, new) in enumerate(zip(row, image, strict=True))
                ]
            expected = torch.tensor(row) / sum(row)
            hint = "take the mean over the images with that label first, then divide the row by its sum"
            require_close(table[c], expected, f"row {c} differs: {hint}")


def frozen(make: Callable) -> None:
    """A teacher that answers in evaluation mode whatever happens around it."""
    teacher = nn.Sequential(nn.Conv2d(2, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(80, 4))
    x = 3 * _normal(6, 2, 6, 6, seed=8) + 1
    expected = unsettle(teacher)(x).detach()
    inner = {name: each.clone() for name, each in teacher.state_dict().items()}
    wrapper = require_module(make(teacher), "Frozen(teacher)")
    require(
        sum(each.numel() for each in wrapper.parameters())
        == sum(each.numel() for each in teacher.parameters()),
        "Frozen(teacher) should hold the teacher as its part, and no layers of its own",
    )
    for mode in ("eval()", "train()", "train() a second time"):
        wrapper.train(mode != "eval()")
        logits = require_tensor(wrapper(x.clone()), (6, 4), f"After {mode} the answer")
        require_close(
            logits,
            expected,
            f"after {mode} the answer differs: what does train() do to the parts of a network?",
        )
    same = all(torch.equal(each, inner[name]) for name, each in teacher.state_dict().items())
    require(same, "the teacher has changed while it answered: its running statistics belong to its state")


def student(make: Callable) -> None:
    """A network below the limit, for grey and for coloured images."""
    for channels in (1, 3):
        network = require_module(make(channels), f"Student({channels})")
        count = sum(each.numel() for each in network.parameters())
        require(
            count < LIMIT, f"Student({channels}) has {count:,} parameters; fewer than {LIMIT:,} are allowed"
        )
        require_traceable(network, f"Student({channels})")
        x = _normal(2, channels, 32, 32, seed=9)
        require_tensor(network.eval()(x), (2, 10), f"Student({channels})'s answer to two images")


def _normal(*shape: int, seed: int) -> Tensor:
    return 2 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _probabilities(value: object, shape: tuple[int, ...], what: str) -> Tensor:
    """``value``, if its rows are probabilities."""
    p = require_tensor(value, shape, what)
    sums = p.sum(dim=-1)
    require(
        torch.allclose(sums, torch.ones_like(sums), atol=1e-4), f"{what} should add up to one for each image"
    )
    return p


def _near(value: float, expected: float) -> bool:
    return abs(value - expected) <= 1e-4 * max(1.0, abs(expected))


def _close(value: Tensor, expected: Tensor) -> bool:
    return torch.allclose(value, expected, rtol=1e-3, atol=1e-5)


CHECKS: dict[str, Check] = {
    "soft_targets": soft_targets,
    "distillation_loss": distillation_loss,
    "soft_gradient": soft_gradient,
    "ensemble_targets": ensemble_targets,
    "dark_knowledge": dark_knowledge,
    "Frozen": frozen,
    "Student": student,
}
