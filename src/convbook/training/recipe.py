"""How to train, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from torch import Generator, Tensor

CHOICES = {
    "optimizer": ("sgd", "adamw"),
    "schedule": ("one_cycle", "cosine", "step", "constant"),
    "precision": ("auto", "float32", "bf16", "fp16"),
}


@dataclass(frozen=True)
class Recipe:
    """Everything that a training run depends on besides the model and the data.

    Attributes:
        epochs: how often each image is seen.
        batch_size: images a step.
        optimizer: "sgd" or "adamw".
        lr: the highest learning rate; :func:`convbook.training.learning_rate` says how it moves.
        momentum: SGD's momentum (AdamW's betas are 0.9 and 0.999).
        nesterov: whether the momentum looks ahead.
        weight_decay: pull of weights to zero; norms, biases and depthwise kernels are spared.
        schedule: "one_cycle", "cosine", "step" or "constant".
        warmup: share of all steps in which the rate climbs linearly; None: 0.2 for "one_cycle", else 0.
        label_smoothing: share of the target that is spread over all classes.
        augment: changes a batch of images, such as ``shift(2)``; None: images as they are.
        precision: "auto", "float32", "bf16" or "fp16".
        seed: of the order of images, augmentation and dropout. Initial weights are made before ``fit``: call
            ``seed_everything(seed)`` before ``create_model`` too.
    """

    epochs: int = 10
    batch_size: int = 128
    optimizer: str = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    schedule: str = "one_cycle"
    warmup: float | None = None
    label_smoothing: float = 0.0
    augment: Callable[[Tensor, Generator], Tensor] | None = None
    precision: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        for field, legal in CHOICES.items():
            if getattr(self, field) not in legal:
                raise ValueError(f"{field} must be one of {', '.join(legal)}; got {getattr(self, field)!r}")
        for field in ("epochs", "batch_size"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} must be 1 or more; got {getattr(self, field)}")
        if not self.lr > 0:
            raise ValueError(f"lr must be above 0; got {self.lr}")
        if self.warmup is not None and not 0 <= self.warmup < 1:
            raise ValueError(f"warmup is a share of all steps, at least 0 and below 1; got {self.warmup}")

    def to_dict(self) -> dict[str, Any]:
        """Every setting, as JSON can hold it; an augmentation becomes its name."""
        settings = asdict(self)
        settings["augment"] = None if self.augment is None else repr(self.augment)
        return settings
