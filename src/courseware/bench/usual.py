"""The loops that `fit` is measured against: what a good student writes after PyTorch's tutorials.

Images wait in memory, decoded; a loader transforms them one by one; the network computes in float32; the loss
is added up with `.item()`. Nothing is done twice and nothing is made slow on purpose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from convbook.data import ImageSet


class Pictures(Dataset[tuple[Tensor, int]]):
    """Images as torchvision's CIFAR10 and MNIST keep them: arrays that become a PIL image when asked for."""

    def __init__(self, data: ImageSet, transform: Callable[[Any], Tensor]) -> None:
        self.arrays = data.images.cpu().permute(0, 2, 3, 1).contiguous().numpy()  # (N, H, W, C)
        self.labels = data.labels.tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        array = self.arrays[index]
        image = Image.fromarray(array.squeeze(2) if array.shape[2] == 1 else array)
        return self.transform(image), self.labels[index]


def usual_transform(data: ImageSet, *, pad: int = 0, flip: bool = False) -> Callable[[Any], Tensor]:
    """Crop (from zeros around, the quickest) and flip at random, make a tensor, normalise."""
    from torchvision import transforms

    steps: list[Any] = []
    if pad:
        steps.append(transforms.RandomCrop(data.images.shape[-1], padding=pad))
    if flip:
        steps.append(transforms.RandomHorizontalFlip())
    steps += [transforms.ToTensor(), transforms.Normalize(data.mean.tolist(), data.std.tolist())]
    return transforms.Compose(steps)


def usual_loader(
    pictures: Pictures, batch_size: int, workers: int = 0, *, train: bool = True, pin: bool = False
) -> DataLoader[tuple[Tensor, int]]:
    """A loader whose workers stay alive between epochs."""
    return DataLoader(
        pictures,
        batch_size,
        shuffle=train,
        drop_last=train,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=pin,
    )


def usual_epoch(
    model: nn.Module, loader: DataLoader[Any], optimizer: torch.optim.Optimizer, device: str = "cpu"
) -> float:
    """Go once through the images; returns the mean loss."""
    model.train()
    total = 0.0
    for images, labels in loader:
        images, labels = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader)


@torch.no_grad()
def usual_accuracy(model: nn.Module, loader: DataLoader[Any], device: str = "cpu") -> float:
    """The share of images whose top score is right."""
    model.eval()
    right = count = 0
    for images, labels in loader:
        images, labels = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        right += (model(images).argmax(dim=1) == labels).sum().item()
        count += len(labels)
    return right / count


def resident_epoch(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    optimizer: torch.optim.Optimizer,
    batch_size: int,
    *,
    bf16: bool = False,
    channels_last: bool = False,
) -> None:
    """The loop without a loader: uint8 tensors (N, C, H, W) on the device, one gather a batch.

    This leaves the network and the step alone to be compared. There is no `.item()`: whoever takes the time
    waits for the device at the end.
    """
    model.train()
    form = torch.channels_last if channels_last else torch.contiguous_format
    mean = images[:256].float().mean(dim=(0, 2, 3), keepdim=True)
    std = images[:256].float().std(dim=(0, 2, 3), keepdim=True)
    for index in torch.randperm(len(images), device=images.device).split(batch_size):
        batch = ((images[index].float() - mean) / std).contiguous(memory_format=form)
        optimizer.zero_grad()
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=bf16):
            loss = F.cross_entropy(model(batch), labels[index])
        loss.backward()
        optimizer.step()
