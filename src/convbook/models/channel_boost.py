"""Channels of an autoencoder beside those of the image (Khan et al. 2018, channel boosting)."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from convbook.layers.image import require_image
from convbook.layers.initial import he_normal
from convbook.models.registry import CIFAR, create_model, register


def make_encoder(in_channels: int, widths: Sequence[int], auxiliary: int) -> nn.Sequential:
    """3x3 convolutions to ``auxiliary`` maps in (0, 1) of the image's size."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Conv2d(in_channels, width, 3, padding=1), nn.ReLU(inplace=True)]
        in_channels = width
    return nn.Sequential(*layers, nn.Conv2d(in_channels, auxiliary, 3, padding=1), nn.Sigmoid())


def sparsity(code: Tensor, target: float = 0.05) -> Tensor:
    """How far the mean activation of each map is from ``target``: sum of KL(target || mean), a scalar.

    The mean of map n over the k images (and their positions) estimates how often it is active; comparing two
    Bernoulli distributions keeps it near a small share, so that each map answers to something particular.

    Args:
        code: maps in (0, 1), (N, auxiliary, H, W).
        target: the share of activity that is wanted, between 0 and 1.
    """
    mean = code.mean(dim=(0, 2, 3)).clamp(1e-6, 1 - 1e-6)
    return (target * (target / mean).log() + (1 - target) * ((1 - target) / (1 - mean)).log()).sum()


class Autoencoder(nn.Module):
    """What learns the auxiliary channels without labels: encode, then rebuild the image.

    (N, in_channels, H, W) -> the reconstruction, of the same shape. ``encoder`` gives the code that
    :class:`ChannelBoosted` takes over. Train it on the squared error of the reconstruction, plus
    :func:`sparsity` of the code at a small weight.

    Args:
        in_channels: channels of the images.
        widths: channels of the hidden convolutions; the decoder goes back through them.
        auxiliary: maps of the code.
    """

    def __init__(self, in_channels: int = 3, widths: Sequence[int] = (16,), auxiliary: int = 3) -> None:
        super().__init__()
        self.encoder = make_encoder(in_channels, widths, auxiliary)
        layers: list[nn.Module] = []
        channels = auxiliary
        for width in reversed(widths):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
        self.decoder = nn.Sequential(*layers, nn.Conv2d(channels, in_channels, 3, padding=1))
        he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """The image as the code has it."""
        return self.decoder(self.encoder(x))


class ChannelBoosted(nn.Module):
    """A registered network that sees the image and, as further channels, an autoencoder's code of it.

    (N, in_channels, H, W) -> what the network makes of (N, in_channels + auxiliary, H, W). Two transfers
    make it: :meth:`transfer` takes over a trained encoder, and the network may come with trained weights of
    its own (all but its first convolution, which is wider here). What is taken over is fine-tuned with the
    rest, unless ``requires_grad_`` turns that off.

    The paper boosts Inception-v3 on tables of telecom customers folded into images; here any registered
    network may be boosted, and convolutions that keep the image's size take the place of its stacked
    autoencoders.

    Args:
        network: name of the network.
        options: arguments of that network; None for its own.
        widths: channels of the encoder's hidden convolutions.
        auxiliary: channels that the encoder adds.
        num_classes: classes to tell apart.
        in_channels: channels of the images.
    """

    def __init__(
        self,
        network: str,
        *,
        options: Mapping[str, Any] | None = None,
        widths: Sequence[int] = (16,),
        auxiliary: int = 3,
        num_classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.encoder = make_encoder(in_channels, widths, auxiliary)
        he_normal(self.encoder)
        channels = in_channels + auxiliary
        self.network = create_model(network, num_classes=num_classes, in_channels=channels, **(options or {}))
        self.least = int(getattr(self.network, "least", 1))

    def transfer(self, autoencoder: Autoencoder) -> "ChannelBoosted":
        """Take over a trained encoder, and return this network."""
        self.encoder.load_state_dict(autoencoder.encoder.state_dict())
        return self

    def forward(self, x: Tensor) -> Tensor:
        """The network's answer to the boosted image."""
        require_image(x, self.in_channels, self.least, "resize them")
        return self.network(torch.cat([x, self.encoder(x)], dim=1))


VARIANTS: dict[str, dict[str, Any]] = {"channel_boosted_resnet20_cifar": {"network": "resnet20_cifar"}}

register(ChannelBoosted, VARIANTS, family="channel_boost", paper="khan2018channel", year=2018, **CIFAR)
