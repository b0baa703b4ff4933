"""A task that a tiny network learns in a second: on which side of the image is the light?"""

import pytest
import torch
from torch import nn

from convbook.data import ImageSet


def sides(n: int, seed: int) -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 100, (n, 1, 8, 8), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 2, (n,), generator=generator)
    for image, label in zip(images, labels.tolist(), strict=True):
        image[0, :, 4 * label : 4 * label + 4] += 60
    return ImageSet(images, labels, ("left", "right"), "sides")


@pytest.fixture
def train() -> ImageSet:
    return sides(200, seed=0)


@pytest.fixture
def val() -> ImageSet:
    return sides(60, seed=1)


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(4 * 64, 2),
    )
