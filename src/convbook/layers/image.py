"""The one check that networks make of the images they are given."""

from torch import Tensor


def require_image(images: Tensor, in_channels: int, least: int, hint: str = "") -> None:
    """Refuse anything but (N, ``in_channels``, H, W) with H and W of at least ``least`` pixels.

    Raises:
        ValueError: naming what was given, the least legal size and, if there is one, a way out.
    """
    if images.ndim != 4:
        raise ValueError(f"images must be (N, C, H, W), got a tensor of shape {tuple(images.shape)}")
    channels, height, width = images.shape[1:]
    if channels != in_channels:
        raise ValueError(
            f"images have {channels} channels, the network was built for in_channels={in_channels}"
        )
    if height < least or width < least:
        way_out = f"; {hint}" if hint else ""
        raise ValueError(
            f"images of {height}x{width} pixels are too small: at least {least}x{least}{way_out}"
        )
