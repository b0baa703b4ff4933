"""Images whose class is where the light falls: a teacher of them is trained in a second."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from convbook.data import ImageSet


def quarters(n: int, seed: int) -> ImageSet:
    """One of four columns of an 8x8 image is brighter."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 100, (n, 1, 8, 8), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 4, (n,), generator=generator)
    for image, label in zip(images, labels.tolist(), strict=True):
        image[0, :, 2 * label : 2 * label + 2] += 60
    return ImageSet(images, labels, ("first", "second", "third", "fourth"), "quarters")


@pytest.fixture
def train() -> ImageSet:
    return quarters(400, seed=0)


@pytest.fixture
def val() -> ImageSet:
    return quarters(120, seed=1)


Build = Callable[..., nn.Module]


@pytest.fixture
def perceptron() -> Build:
    def build(hidden: int, seed: int, pixels: int = 64, classes: int = 4) -> nn.Module:
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(pixels, hidden), nn.ReLU(), nn.Linear(hidden, classes))

    return build
