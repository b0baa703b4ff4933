"""What a teacher's softened answers say, and what a student feels of them (Hinton et al. 2015, section 2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from convbook.explore.packed import address
from convbook.explore.shell import Explorable, ExplorableError
from convbook.tables import html_table
from convbook.training.evaluation import model_device
from convbook.transfer.distillation import soft_targets

# About equal steps on a logarithmic scale, and round.
TEMPERATURES = (
    *(0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 3.5),
    *(4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20),
)


def temperature(
    teacher: nn.Module | None = None,
    images: Tensor | None = None,
    labels: Tensor | None = None,
    *,
    student: nn.Module | None = None,
    classes: Sequence[str] | None = None,
    shown: int = 10,
) -> Explorable:
    """A teacher's logits softened: soft targets, what they hold, and their gradient.

    Without arguments, a small convolutional teacher and a linear student are trained on the embedded digits
    (seconds), and what they say of the validation images is shown.

    Args:
        teacher: scores images (N, C, H, W) -> logits (N, K).
        images: normalised images that the teacher was not trained on, (N, 1, H, W) or (N, 3, H, W).
        labels: their classes, int64 (N,).
        student: another network, beside which gradients are shown; always there is a student that knows
            nothing: all its logits are 0.
        classes: the classes' names; their numbers unless given.
        shown: images to choose from, out of all by the teacher's certainty: more of those in doubt.

    Raises:
        ExplorableError: if a teacher comes without images and labels, or their numbers differ.
    """
    if teacher is None:
        teacher, student, images, labels = trained()
    if images is None or labels is None or len(images) != len(labels):
        raise ExplorableError("temperature wants a teacher, images (N, C, H, W) and labels (N,) together")
    data = temperature_data(teacher, images, labels, student, classes, shown)
    names = data["classes"]
    rows = []
    for each in data["images"]:
        chances = [soft_targets(torch.tensor(each["logits"]), t)[each["similar"]].item() for t in (1, 4, 20)]
        rows.append([each["name"], names[each["similar"]], *(f"{p:.4f}" for p in chances)])
    return Explorable(
        "temperature",
        data,
        title="What a teacher knows, at any temperature",
        alt="A teacher's probabilities for the classes of an image, as bars. Image and temperature can be "
        "changed; shown are entropy, the most similar wrong class, and the gradient that a student gets.",
        fallback=html_table(
            "Share of the most similar wrong class at three temperatures",
            ["Image", "Most similar", "T = 1", "T = 4", "T = 20"],
            rows,
            numeric={2, 3, 4},
        ),
    )


def trained() -> tuple[nn.Module, nn.Module, Tensor, Tensor]:
    """A teacher and a linear student, seeded, with the validation images of the digits and their labels."""
    from convbook.data import load
    from convbook.models import create_model
    from convbook.training import Recipe, fit, seed_everything

    train, val = load("digits")
    seed_everything(0)
    teacher = create_model("lenet5_modern", num_classes=len(train.classes))
    fit(teacher, train, val, Recipe(epochs=8, batch_size=32, lr=0.02), device="cpu", progress=False)
    student = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(train.shape), len(train.classes)))
    fit(student, train, val, Recipe(epochs=1, batch_size=32, lr=0.002), device="cpu", progress=False)
    return teacher, student, val.float_images(), val.labels


def temperature_data(
    teacher: nn.Module,
    images: Tensor,
    labels: Tensor,
    student: nn.Module | None,
    classes: Sequence[str] | None,
    shown: int,
) -> dict[str, Any]:
    """Logits of some images, the least certain first, and for each what the teacher finds like it."""
    logits = _scores(teacher, images)
    names = list(classes or map(str, range(logits.shape[1])))
    certainty = torch.softmax(logits, dim=1).amax(dim=1)
    shown = min(shown, len(images))
    places = torch.linspace(0, 1, shown).square() * (len(images) - 1)  # from least to most certain
    chosen = certainty.argsort()[torch.maximum(places.long(), torch.arange(shown))]
    pixels = _bytes(images)
    students = {"knows nothing": torch.zeros_like(logits)}
    if student is not None:
        students["trained a little"] = _scores(student, images)
    pictures = []
    for number, i in enumerate(chosen.tolist()):
        label = int(labels[i])
        similar = int(logits[i].index_fill(0, labels[i], -math.inf).argmax())
        pictures.append(
            {
                "name": f"{number + 1}: {names[label]}",
                "label": label,
                "src": address(pixels[i]),
                "logits": logits[i].tolist(),
                "students": {name: scores[i].tolist() for name, scores in students.items()},
                "similar": similar,
                "near": [address(pixels[j]) for j in _nearest(logits, labels, i, similar)],
            }
        )
    return {"classes": names, "images": pictures, "temperatures": TEMPERATURES}


def _nearest(logits: Tensor, labels: Tensor, image: int, kind: int, count: int = 3) -> list[int]:
    """Images of a class whose logits lie nearest to an image's."""
    distances = (logits - logits[image]).norm(dim=1).masked_fill(labels != kind, math.inf)
    found = min(count, int((labels == kind).sum()))
    return distances.argsort()[:found].tolist()


@torch.no_grad()
def _scores(model: nn.Module, images: Tensor) -> Tensor:
    """Logits (N, K) on the CPU; the model's mode is left as it was."""
    training = model.training
    scores = model.eval()(images.to(model_device(model))).float().cpu()
    model.train(training)
    return scores


def _bytes(images: Tensor) -> Tensor:
    """Normalised images as uint8, from their darkest to their brightest value."""
    low, high = images.min(), images.max()
    return ((images - low) * (255 / (high - low).clamp(min=1e-9))).round().to(torch.uint8).cpu()
