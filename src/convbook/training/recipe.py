"""How to train, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from torch import Generator, Tensor

CHOICES = {
    "optimizer": ("sgd", "adamw", "rmsprop"),
    "schedule": ("one_cycle", "cosine", "step", "exponential", "constant"),
    "precision": ("auto", "float32", "bf16", "fp16"),
}

Augment = Callable[[Tensor, Generator], Tensor]
Mix = Callable[[Tensor, Tensor, Generator], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Recipe:
    """Everything that a training run depends on besides the model and the data.

    Where ``None`` stands for "automatic", ``fit`` decides by the device and the length of the run, and the
    history says what it came to.

    Attributes:
        epochs: how often each image is seen.
        batch_size: images a step, over all processes.
        optimizer: "sgd", "adamw" or "rmsprop".
        lr: the highest learning rate; :func:`convbook.training.learning_rate` says how it moves.
        momentum: SGD's and RMSProp's momentum (AdamW's betas are 0.9 and 0.999).
        nesterov: whether SGD's momentum looks ahead.
        weight_decay: pull of weights to zero; norms, biases and depthwise kernels are spared.
        schedule: "one_cycle", "cosine", "step", "exponential" or "constant".
        warmup: share of all steps in which the rate climbs linearly; None: 0.2 for "one_cycle", else 0.
        milestones: shares of all steps at which "step" multiplies the rate by ``gamma``.
        gamma: that factor; for "exponential", what remains of the rate at the end.
        label_smoothing: share of the target that is spread over all classes.
        augment: changes a batch of images, such as ``crop_flip(4)``; None: images as they are.
        mix: blends a batch's images and targets, such as ``mixup(0.2)``; None: no blend.
        ema: decay of an exponential moving average of the weights, which is then what is measured and kept;
            None: none.
        clip: largest norm of the gradient; a longer one is shortened. None: as it is.
        accumulate: pieces that a batch is cut into, one after the other, to fit into memory.
        precision: "auto", "float32", "bf16" or "fp16".
        channels_last: whether pixels' channels lie side by side in memory; None: automatic.
        compile: whether ``torch.compile`` fuses the network; None: automatic.
        cuda_graphs: whether a GPU replays a recorded step instead of being told each kernel; None: automatic.
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
    milestones: tuple[float, ...] = (0.5, 0.75)
    gamma: float = 0.1
    label_smoothing: float = 0.0
    augment: Augment | None = None
    mix: Mix | None = None
    ema: float | None = None
    clip: float | None = None
    accumulate: int = 1
    precision: str = "auto"
    channels_last: bool | None = None
    compile: bool | None = None
    cuda_graphs: bool | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for field, legal in CHOICES.items():
            if getattr(self, field) not in legal:
                raise ValueError(f"{field} must be one of {', '.join(legal)}; got {getattr(self, field)!r}")
        for field in ("epochs", "batch_size", "accumulate"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} must be 1 or more; got {getattr(self, field)}")
        for field in ("lr", "gamma", "clip"):
            value = getattr(self, field)
            if value is not None and not value > 0:
                raise ValueError(f"{field} must be above 0; got {value}")
        for field in ("momentum", "weight_decay"):
            if not getattr(self, field) >= 0:
                raise ValueError(f"{field} must be 0 or more; got {getattr(self, field)}")
        if self.warmup is not None and not 0 <= self.warmup < 1:
            raise ValueError(f"warmup is a share of all steps, at least 0 and below 1; got {self.warmup}")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing must be at least 0 and below 1; got {self.label_smoothing}")
        if self.ema is not None and not 0 < self.ema < 1:
            raise ValueError(f"ema is a decay between 0 and 1, such as 0.999; got {self.ema}")
        if list(self.milestones) != sorted(self.milestones) or not all(0 < m < 1 for m in self.milestones):
            raise ValueError(f"milestones are rising shares between 0 and 1; got {self.milestones}")
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"a batch of {self.batch_size} cannot be cut into {self.accumulate} equal pieces: "
                f"choose a batch_size that accumulate divides"
            )

    def to_dict(self) -> dict[str, Any]:
        """Every setting, as JSON can hold it; an augmentation becomes its name."""
        settings = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in ("augment", "mix"):
            change = settings[name]
            settings[name] = None if change is None else getattr(change, "__name__", repr(change))
        settings["milestones"] = list(self.milestones)
        return settings
