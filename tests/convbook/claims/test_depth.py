"""The longest path: branches side by side count once, shortcuts not at all."""

import pytest
import torch
from torch import Tensor, nn

from convbook.claims.depth import depth
from convbook.models import create_model


class Fork(nn.Module):
    """Three convolutions beside one, then a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.long = nn.Sequential(*(nn.Conv2d(3, 3, 1) for _ in range(3)))
        self.short = nn.Conv2d(3, 3, 1)
        self.fc = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.relu_(self.long(x) + self.short(x)).mean((2, 3)))


def test_the_longer_branch_counts():
    with torch.device("meta"):
        assert depth(Fork(), (3, 4, 4)) == 4


@pytest.mark.parametrize(("name", "layers"), [("alexnet", 8), ("resnet50", 50), ("googlenet", 22)])
def test_published_depths_come_out(name, layers):
    with torch.device("meta"):
        network = create_model(name)
    assert depth(network, (3, 224, 224)) == layers
    assert network.training  # left as it was
