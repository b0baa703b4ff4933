"""A window slides over an image: what a convolution computes, and what it costs."""

from __future__ import annotations

from torch import Tensor, nn

from convbook.explore.shell import Explorable, ExplorableError
from convbook.profile import profile
from convbook.tables import html_table


def convolution(image: Tensor) -> Explorable:
    """A window slides over a digit: size, parameters and MACs for any kernel, stride and padding.

    Args:
        image: one grey image, uint8, (1, H, W) or (H, W), at least 8x8.
    """
    pixels = image[0] if image.dim() == 3 and len(image) == 1 else image
    if pixels.dim() != 2 or pixels.is_floating_point() or min(pixels.shape) < 8:
        raise ExplorableError(
            f"convolution wants one grey uint8 image of 8x8 or more, not {tuple(image.shape)}"
        )
    rows = []
    for k, stride, padding in ((5, 1, 0), (5, 1, 2), (3, 1, 1), (3, 2, 1), (7, 2, 3)):
        layer = profile(nn.Conv2d(1, 6, k, stride, padding), (1, *pixels.shape)).rows[0]
        shape = " × ".join(map(str, layer.output_shape))
        rows.append([f"{k}×{k}", str(stride), str(padding), shape, f"{layer.params:,}", f"{layer.macs:,}"])
    size = f"{pixels.shape[0]} × {pixels.shape[1]}"
    return Explorable(
        "convolution",
        {"image": pixels},
        title="A window slides over a digit",
        alt=f"A kernel moves over a digit of {size} pixels. Kernel, size, stride, padding and place can be "
        "changed; shown are the products under the window, the output, its size, parameters and MACs.",
        fallback=html_table(
            f"Six kernels on one image of {size}",
            ["Kernel", "Stride", "Padding", "Output", "Parameters", "MACs"],
            rows,
            numeric={1, 2, 4, 5},
        ),
    )
