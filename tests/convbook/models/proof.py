"""How a network is compared with another implementation of it."""

import torch
from torch import Tensor, nn


def run(model: nn.Module, images: Tensor) -> list[Tensor]:
    """Logits in training and evaluation mode, and the gradient at the images between them."""
    images = images.clone().requires_grad_()
    trained = model.train()(images)
    trained.square().sum().backward()
    with torch.no_grad():
        return [trained.detach(), images.grad, model.eval()(images)]


def assert_same_function(ours: nn.Module, theirs: nn.Module, side: int, channels: int = 3) -> None:
    """Both in float64, with the same weights; dropout must be off, since they draw apart."""
    images = torch.randn(2, channels, side, side, dtype=torch.float64)
    for mine, other in zip(run(ours, images), run(theirs, images), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-9)


def tensors(model: nn.Module) -> list[Tensor]:
    """All tensors of the state in the order in which layers were made."""
    return [value for key, value in model.state_dict().items() if not key.endswith("num_batches_tracked")]


def copy_in_order(theirs: nn.Module, ours: nn.Module) -> None:
    """Give ours the other's weights, tensor by tensor; linear layers may stand for 1x1 convolutions."""
    with torch.no_grad():
        for to, source in zip(tensors(ours), tensors(theirs), strict=True):
            to.copy_(source.view_as(to))


def shapes(model: nn.Module) -> dict[str, torch.Size]:
    """The shape of every tensor by its name."""
    return {key: value.shape for key, value in model.state_dict().items()}


def parameters(model: nn.Module) -> int:
    """Trainable scalars."""
    return sum(p.numel() for p in model.parameters())
