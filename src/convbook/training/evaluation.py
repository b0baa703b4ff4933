"""What a trained model is worth."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convbook.data import ImageSet

BATCH = 256


def model_device(model: nn.Module) -> torch.device:
    """Where the model's first parameter lives (the CPU for a model without any)."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


@torch.no_grad()
def predict(
    model: nn.Module,
    data: ImageSet,
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
    data: ImageSet,
    device: str | torch.device | None = None,
    *,
    precision: str = "float32",
    batch_size: int = BATCH,
) -> dict[str, float]:
    """``{"loss": mean cross-entropy in nats, "accuracy": share of images whose top score is right}``."""
    scores = predict(model, data, device, precision=precision, batch_size=batch_size)
    labels = data.labels.to(scores.device)
    return {
        "loss": F.cross_entropy(scores, labels).item(),
        "accuracy": (scores.argmax(dim=1) == labels).double().mean().item(),
    }


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Mixed precision for what runs inside: matrix products in 16 bits, sums and norms in float32."""
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype=dtype, enabled=precision != "float32")
