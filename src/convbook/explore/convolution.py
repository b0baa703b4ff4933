"""A window slides over an image: what a convolution computes, and what it costs."""

from __future__ import annotations

from torch import Tensor, nn

from convbook.data.digits import digits
from convbook.explore.shell import Explorable, ExplorableError
from convbook.profile import profile
from convbook.tables import html_table

# Shown where no script runs, each with six output channels: kernel size and what else nn.Conv2d is told.
SETTINGS: list[tuple[int, dict[str, int]]] = [
    (5, {}),
    (5, {"padding": 2}),
    (3, {"padding": 1}),
    (3, {"stride": 2, "padding": 1}),
    (7, {"stride": 2, "padding": 3}),
    (3, {"dilation": 2, "padding": 2}),
]


def convolution(image: Tensor | None = None) -> Explorable:
    """A window slides over an image: output, its size, parameters and MACs for any setting of the layer.

    Kernel size, stride, padding, dilation, input channels and groups can be changed, forwards and
    transposed; the numbers are those of nn.Conv2d and nn.ConvTranspose2d.

    Args:
        image: one grey image, uint8, (1, H, W) or (H, W), at least 8x8; by default the first of the embedded
            digits.

    Raises:
        ExplorableError: for an image of another kind.
    """
    image = digits()[0].images[0] if image is None else image
    pixels = image[0] if image.dim() == 3 and len(image) == 1 else image
    if pixels.dim() != 2 or pixels.is_floating_point() or min(pixels.shape) < 8:
        raise ExplorableError(
            f"convolution wants one grey uint8 image of 8x8 or more, not {tuple(image.shape)}"
        )
    size = f"{pixels.shape[0]} × {pixels.shape[1]}"
    return Explorable(
        "convolution",
        {"image": pixels},
        title="A window slides over a digit",
        alt=f"A kernel moves over a digit of {size} pixels, by hand or played. Kernel, size, stride, "
        "padding, dilation, channels, groups and direction can be changed; shown are the products under the "
        "window, the output, its size, parameters and MACs.",
        fallback=html_table(
            f"Six kernels on one image of {size}",
            ["Kernel", "Stride", "Padding", "Dilation", "Direction", "Output", "Parameters", "MACs"],
            _rows(pixels),
            numeric={1, 2, 3, 6, 7},
        ),
    )


def _rows(pixels: Tensor) -> list[list[str]]:
    """Each of ``SETTINGS`` as it is, and one that fits well transposed."""
    layers: list[tuple[str, nn.Conv2d | nn.ConvTranspose2d]]
    layers = [("forwards", nn.Conv2d(1, 6, k, **setting)) for k, setting in SETTINGS]  # type: ignore[arg-type]
    layers.append(("transposed", nn.ConvTranspose2d(1, 6, 4, stride=2, padding=1)))
    rows = []
    for direction, layer in layers:
        counted = profile(layer, (1, *pixels.shape)).rows[0]
        setting = [str(each[0]) for each in (layer.stride, layer.padding, layer.dilation)]
        shape = " × ".join(map(str, counted.output_shape))
        kernel = "×".join(map(str, layer.kernel_size))
        rows.append([kernel, *setting, direction, shape, f"{counted.params:,}", f"{counted.macs:,}"])
    return rows
