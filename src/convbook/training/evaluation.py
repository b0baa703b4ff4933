"""What a trained model is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convbook.data import Images

if TYPE_CHECKING:
    from torchmetrics import MetricCollection

BATCH = 256


def model_device(model: nn.Module) -> torch.device:
    """Where the model's first parameter lives (the CPU for a model without any)."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


@torch.no_grad()
def predict(
    model: nn.Module,
    data: Images,
    device: str | torch.device | None = None,
    *,
    precision: str = "float32",
    batch_size: int = BATCH,
) -> Tensor:
    """The model's scores, float32 (N, K), in evaluation mode and in the order of ``data``.

    ``device`` is where the model is, unless given; the model is moved there, its mode is left as it was.
    """
    chosen = model_device(model) if device is None else torch.device(device)
    model.to(chosen)
    data = data.to(chosen)
    was_training = model.training
    model.eval()
    try:
        with autocast(chosen, precision):
            return torch.cat([model(images).float() for images, _ in data.batches(batch_size)])
    finally:
        model.train(was_training)


def evaluate(
    model: nn.Module,
    data: Images,
    device: str | torch.device | None = None,
    *,
    precision: str = "float32",
    batch_size: int = BATCH,
    metrics: MetricCollection | None = None,
) -> dict[str, float]:
    """Measure a model on a set.

    Args:
        model: scores images (N, C, H, W) -> (N, K).
        data: the images to measure on.
        device: where the model is, unless given.
        precision: "float32", "bf16" or "fp16".
        batch_size: images at once.
        metrics: torchmetrics that take scores (N, K) and labels (N,), by name, such as
            ``MetricCollection({"top5": MulticlassAccuracy(100, top_k=5, average="micro")})``; unless given,
            "accuracy": the share of images whose top score is right.

    Returns:
        ``{"loss": mean cross-entropy in nats, "accuracy": ...}``.
    """
    scores = predict(model, data, device, precision=precision, batch_size=batch_size)
    labels = data.labels.to(scores.device)
    chosen = (metrics.clone() if metrics else accuracy_metric(scores.shape[1])).to(scores.device)
    # torchmetrics counts exactly and divides in float32, which has seven digits.
    measured = {name: round(value.item(), 6) for name, value in chosen(scores, labels).items()}
    return {"loss": F.cross_entropy(scores, labels).item()} | measured


def accuracy_metric(classes: int) -> MetricCollection:
    """The share of right answers over all images: "micro", for "macro" is a mean over classes."""
    from torchmetrics import MetricCollection
    from torchmetrics.classification import MulticlassAccuracy

    return MetricCollection({"accuracy": MulticlassAccuracy(classes, average="micro")})


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Mixed precision for what runs inside: matrix products in 16 bits, sums and norms in float32."""
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype=dtype, enabled=precision != "float32")
