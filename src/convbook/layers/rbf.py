"""LeNet-5's output layer: distances to fixed codes (LeCun et al. 1998, sections II.B and II.C)."""

import random

import torch
from torch import Tensor, nn

# Our own drawings, 7 wide and 12 high, as the paper's codes are; '#' is +1 and '.' is -1.
DIGITS = """
.#####. ...#... .#####. .#####. ....##. ####### ..####. ####### .#####. .#####.
##...## ..##... ##...## ##...## ...###. ##..... .##.... .....## ##...## ##...##
##...## .###... .....## .....## ..#.##. ##..... ##..... .....## ##...## ##...##
##...## ...#... .....## .....## ..#.##. ##..... ##..... ....##. ##...## ##...##
##...## ...#... .....## .....## .##.##. ##..... ##..... ....##. ##...## ##...##
##...## ...#... ....##. ..####. .#..##. ######. ######. ...##.. .#####. .######
##...## ...#... ...##.. .....## ##..##. .....## ##...## ...##.. ##...## .....##
##...## ...#... ..##... .....## ####### .....## ##...## ..##... ##...## .....##
##...## ...#... .##.... .....## ....##. .....## ##...## ..##... ##...## .....##
##...## ...#... ##..... .....## ....##. .....## ##...## .##.... ##...## .....##
##...## ...#... ##..... ##...## ....##. ##...## ##...## .##.... ##...## ....##.
.#####. .#####. ####### .#####. ....##. .#####. .#####. .##.... .#####. .####..
"""


def bitmap_codes(num_classes: int = 10, length: int = 84) -> Tensor:
    """Codes of +1 and -1 for each class, (num_classes, length).

    The ten digits have their drawings. Further classes, or codes of another length, take random signs,
    always the same ones: the paper names that as the other way to choose them.
    """
    rows = [line.split() for line in DIGITS.split("\n") if line]
    digits = ["".join(row[d] for row in rows) for d in range(10)]
    drawn = torch.tensor([[1.0 if dot == "#" else -1.0 for dot in digit] for digit in digits])
    coin = random.Random(1998)
    codes = torch.tensor([[coin.choice((-1.0, 1.0)) for _ in range(length)] for _ in range(num_classes)])
    if length == drawn.shape[1]:
        shared = min(num_classes, len(drawn))
        codes[:shared] = drawn[:shared]
    return codes


class RBFOutput(nn.Module):
    """Squared distance of the features to each class's code.

    (N, features) -> (N, num_classes), all >= 0: the nearest class wins. The codes stay as they are,
    a buffer: +1 and -1 keep the scaled tanh beneath them away from its flat ends.
    """

    codes: Tensor

    def __init__(self, features: int = 84, num_classes: int = 10) -> None:
        super().__init__()
        self.register_buffer("codes", bitmap_codes(num_classes, features))

    def forward(self, x: Tensor) -> Tensor:
        """Distances, in the codes' own precision: half precision would round them to whole numbers."""
        difference = x.to(self.codes.dtype).unsqueeze(1) - self.codes  # (N, classes, features)
        return difference.square().sum(dim=2)
