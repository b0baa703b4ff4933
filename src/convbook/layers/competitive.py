"""Gates of channels for which a residual branch and its shortcut compete, read from an inner image."""

import torch
from torch import Tensor, nn

from convbook.layers.attention import hidden_width

VIEWS = {"2x1": (1, 2), "1x1": (1, 1), "folded": (3, 3)}  # kernel over an image of channels by branches


class PairViewSqueezeExcite(nn.Module):
    """CMPE-SE, pair-view forms: the averages of both branches are an image (Hu Y. et al. 2018, section 3).

    Two (N, C, H, W), residual and identity -> the reweighted residual, which the caller adds to the
    identity. The C averages of each branch stand side by side as an image of one channel, (N, 1, C, 2).
    ``C // reduction`` kernels scan it and their maps are averaged into one, from which a bottleneck as in
    squeeze-and-excitation makes the gate. The view is what a kernel sees at once:

    * "2x1": a channel's two averages; one number a channel remains.
    * "1x1": one average; both numbers of each channel remain, and the bottleneck reads ``2 * C``.
    * "folded": 3x3 places of the image folded to (N, 1, 2 * folds, C / folds), where a channel is seen
      together with others.

    As in the authors' code the convolution is batch-normalised, without activation, and no layer has a bias.

    Args:
        channels: channels of both branches.
        reduction: how much narrower than its channels the bottleneck is, and how many fewer kernels scan.
        view: "2x1", "1x1" or "folded".
        folds: pieces into which "folded" cuts the row of channels.

    Raises:
        ValueError: if the view is unknown, or the folded image does not exist or has fewer than 3 columns.
    """

    def __init__(self, channels: int, reduction: int = 16, view: str = "2x1", folds: int = 4) -> None:
        super().__init__()
        if view not in VIEWS:
            raise ValueError(f"view={view!r} is unknown: take one of {', '.join(VIEWS)}")
        self.folds = folds if view == "folded" else 0
        if self.folds and (folds < 2 or channels % folds or channels // folds < 3):
            raise ValueError(
                f"folds={folds} makes no image of {channels} channels: take a divisor of 2 to {channels // 3}"
            )
        maps = hidden_width(channels, reduction)
        left = {"2x1": channels, "1x1": 2 * channels, "folded": (2 * folds - 2) * (channels // folds - 2)}
        self.squeeze = nn.AdaptiveAvgPool2d(1)
        self.scan = nn.Sequential(nn.Conv2d(1, maps, VIEWS[view], bias=False), nn.BatchNorm2d(maps))
        self.gate = nn.Sequential(
            nn.Conv2d(left[view], maps, 1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(maps, channels, 1, bias=False),
            nn.Sigmoid(),  # (N, C, 1, 1)
        )

    def forward(self, residual: Tensor, identity: Tensor) -> Tensor:
        """Scale the residual's channels by the gate."""
        averages = [self.squeeze(branch).flatten(1) for branch in (residual, identity)]
        image = torch.stack(averages, dim=2)  # (N, C, 2)
        if self.folds:
            image = image.unflatten(1, (self.folds, -1)).transpose(2, 3).flatten(1, 2)
        seen = self.scan(image.unsqueeze(1)).mean(dim=1)  # (N, rows, columns)
        return residual * self.gate(seen.flatten(1)[:, :, None, None])
