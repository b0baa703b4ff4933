"""How far a unit sees: layers are stacked on a photograph, and the field grows."""

from __future__ import annotations

import base64
import io
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convbook.data import photographs
from convbook.explore.shell import Explorable, ExplorableError
from convbook.receptive import Field, Span
from convbook.shapes import ShapesOnly
from convbook.tables import html_table
from convbook.trace import Trace

SIDE = 224  # pixels of the photograph, the size that most of the presets were made for
NETWORKS = {
    "LeNet-5": "lenet5_modern",
    "AlexNet": "alexnet",
    "VGG-16": "vgg16",
    "ResNet-18": "resnet18",
    "ResNet-50": "resnet50",
    "MobileNet": "mobilenet_v1",
}
CONTEXT = (
    1,
    1,
    2,
    4,
    8,
    16,
    1,
)  # dilations of the 3x3 layers of a context module: Yu and Koltun 2016, table 1
CONTEXT_SIDE = 96  # pixels; its paper gives it maps, of any size
# Where the influence is measured. VGG's large linear layers come behind it, and need not be made.
MEASURED: dict[str, tuple[str, dict[str, int]]] = {
    "VGG-16": ("features", {"hidden": 1}),
    "ResNet-18": ("layer4", {}),
}
SEEDS = 4
GRAIN = 4  # pixels of the photograph to one of the map of influence
SHARE = 0.9  # of all influence, whose square is looked for
CREDIT = "Photograph: danielbuechele, CC BY 2.0, cut to a square and made smaller."
_POOLS = (nn.MaxPool2d, nn.AvgPool2d)


@dataclass(frozen=True)
class Window:
    """One sliding window, the same along both axes."""

    name: str
    kind: str  # "conv" or "pool"
    kernel: int
    stride: int
    padding: int
    dilation: int


def receptive_field(start: str = "VGG-16", measure: bool = True) -> Explorable:
    """Stack convolutions and pooling; see which part of a photograph each unit can see.

    Presets are read off the registry's networks by ``field_path``.

    Args:
        start: the preset shown first.
        measure: for two of them, measure the influence of each pixel on the middle unit too (some seconds).
    """
    presets = list(_presets())
    if start not in {preset["name"] for preset in presets}:
        raise ExplorableError(f"no preset is called {start!r}: choose from {', '.join(NETWORKS)}, Dilated")
    if measure:
        for preset in presets:
            if preset["name"] in MEASURED:
                part, options = MEASURED[preset["name"]]
                span = stacked(preset["layers"], SIDE)
                preset["influence"] = influence(NETWORKS[preset["name"]], part, span, **options)
    rows = []
    for preset in presets:
        span = stacked(preset["layers"], preset["size"])
        size = f"{preset['size']} × {preset['size']}"
        rows.append([preset["name"], size, str(len(preset["layers"])), str(span.jump), f"{span.size:,}"])
    return Explorable(
        "receptive_field",
        {
            "photograph": photograph(),
            "credit": CREDIT,
            "presets": presets,
            "start": start,
            "seeds": SEEDS,
            "share": SHARE,
        },
        title="How far does a unit see?",
        alt="A photograph with a frame around what one unit of a stack of layers sees. Layers can be added, "
        "changed, moved and removed, networks chosen, and the unit picked; a table gives field and jump.",
        fallback=html_table(
            "What a unit of the last layer with positions sees",
            ["Network", "Image", "Windows larger than 1 × 1 or with a stride", "Jump", "Receptive field"],
            rows,
            numeric=range(2, 5),
        ),
    )


def stacked(layers: list[dict[str, Any]], size: int) -> Span:
    """Return what unit 0 of a stack of windows sees, on one axis of an image of ``size`` pixels."""
    span = Span(size)
    for layer in layers:
        span = span.window(layer["kernel"], layer["stride"], layer["padding"], layer["dilation"])
    return span


def photograph() -> str:
    """The palace as the address of a small JPEG."""
    from PIL import Image

    pixels = _square().round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
    content = io.BytesIO()
    Image.fromarray(pixels.numpy()).save(content, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"


def _square() -> Tensor:
    """(3, SIDE, SIDE), 0 to 255: the left square of the palace, made smaller."""
    picture = photographs()["china"]
    square = picture[None, :, :, : picture.shape[1]].float()
    return F.interpolate(square, size=(SIDE, SIDE), mode="bilinear", antialias=True)[0]


def influence(registered: str, part: str, span: Span, seeds: int = SEEDS, **options: int) -> dict[str, Any]:
    """Which pixels the middle unit of an untrained network listens to (Luo et al. 2016).

    The unit's channels are added up; the absolute values of that sum's gradient with respect to the
    photograph are added over its colours and averaged over ``seeds`` random initialisations.

    Args:
        registered: a network's name.
        part: the module whose output's middle unit is taken.
        span: what unit 0 of that output sees.
        seeds: initialisations, the first with seed 0.
        **options: passed on to ``create_model``.

    Returns:
        ``map``, rows of 0 to 255 for squares of ``GRAIN`` pixels, and ``side``, in pixels, of the smallest
        square in the middle of the unit's field that holds ``SHARE`` of all influence.
    """
    from convbook.models import create_model

    image = _square() / 255
    image = ((image - image.mean()) / image.std())[None]
    total = torch.zeros(SIDE, SIDE)
    for seed in range(seeds):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = create_model(registered, **options).eval()
        gradient, unit = pixel_gradient(network, network.get_submodule(part), image)
        total += gradient / gradient.sum()  # initialisations differ in scale
    first, last = span.first + unit * span.jump, span.last + unit * span.jump
    coarse = F.avg_pool2d(total[None], GRAIN)[0]
    return {"map": (255 * coarse / coarse.max()).round().int(), "side": square_of(total, SHARE, first, last)}


def pixel_gradient(network: nn.Module, part: nn.Module, image: Tensor) -> tuple[Tensor, int]:
    """Return (H, W), the absolute gradient of the middle unit of ``part``'s output, and that unit's number.

    The unit's channels are added up; image (1, C, H, W) and output are square.
    """
    outputs: list[Tensor] = []
    handle = part.register_forward_hook(lambda module, args, out: outputs.append(out))
    image = image.clone().requires_grad_()
    network(image)
    handle.remove()
    unit = outputs[0].shape[-1] // 2
    (gradient,) = torch.autograd.grad(outputs[0][0, :, unit, unit].sum(), image)
    return gradient[0].abs().sum(dim=0), unit


def square_of(weights: Tensor, share: float, first: int, last: int) -> int:
    """Return the side of the smallest square that holds a share of (N, N) weights.

    Tried are the squares from ``first`` to ``last`` along both axes, and those in their middle.
    """
    wanted, cut = share * weights.sum(), 0
    while weights[(inside := slice(max(first + cut, 0), last - cut + 1)), inside].sum() >= wanted:
        cut += 1
    return last - first + 1 - 2 * (cut - 1)


def field_path(network: nn.Module, input_size: tuple[int, int, int]) -> list[Window]:
    """The windows through which the last layer with positions sees the most of the image, in order.

    Where branches meet, the one with the widest field is followed. Windows of 1 x 1 with stride 1 are left
    out: they see what their input sees.

    Args:
        network: on the meta device; its windows must be modules, and as high as they are wide.
        input_size: (C, H, W) of an image.

    Raises:
        ExplorableError: if no single path explains the field.
    """
    seen = list(_windows(network, input_size))
    path: list[Window] = []
    span, before = seen[-1][2], len(seen)
    while span != Span(input_size[1]):
        # the latest window before this point whose result sees exactly that
        found = next((i for i in reversed(range(before)) if seen[i][2] == span), None)
        if found is None:
            raise ExplorableError(f"no single path of windows sees {span.size} pixels")
        window, span, _ = seen[found]
        before = found
        if (window.kernel, window.stride) != (1, 1):
            path.append(window)
    return path[::-1]


def _windows(network: nn.Module, input_size: tuple[int, ...]) -> Iterator[tuple[Window, Span, Span]]:
    """Every window that keeps positions, in the order of execution, with what goes in and comes out sees."""
    trace, seen = Trace(), []

    def note(name: str) -> Any:
        def hook(module: nn.Module, args: Any, out: Tensor) -> None:
            before, after = trace.fields.get(args[0]), trace.fields.get(out)
            if before is not None and after is not None and not after[0].everywhere:
                seen.append((_window(name, module, after), before[0], after[0]))

        return hook

    kinds = (nn.Conv2d, *_POOLS)
    handles = [m.register_forward_hook(note(n)) for n, m in network.named_modules() if isinstance(m, kinds)]
    image = torch.empty(1, *input_size, device="meta")
    with torch.no_grad(), trace.watch(image):
        network.eval()(image)
    for handle in handles:
        handle.remove()
    yield from seen


def _window(name: str, module: Any, field: Field) -> Window:
    def side(value: Any) -> int:
        sides = {value} if isinstance(value, int) else set(value)
        if len(sides) > 1 or field[0] != field[1]:
            raise ExplorableError(f"{name} is not as high as it is wide")
        return sides.pop()

    kind = "pool" if isinstance(module, _POOLS) else "conv"
    settings = (module.kernel_size, module.stride, module.padding, getattr(module, "dilation", 1))
    return Window(name, kind, *map(side, settings))


def _presets() -> Iterator[dict[str, Any]]:
    """Name, side of the image and layers of each network to start from."""
    from convbook.layers.dilated import DilatedConv2d
    from convbook.models import create_model, describe

    for name, registered in NETWORKS.items():
        with torch.device("meta"), ShapesOnly():
            network = create_model(registered)
        size = describe(registered).input_size
        path = field_path(network, (size[0], size[1], size[2]))
        yield {"name": name, "size": size[1], "layers": [asdict(window) for window in path]}
    with torch.device("meta"):
        layers = {f"context{i}": DilatedConv2d(1, 1, dilation=d) for i, d in enumerate(CONTEXT, start=1)}
        context = nn.Sequential(OrderedDict(layers))
    path = field_path(context, (1, CONTEXT_SIDE, CONTEXT_SIDE))
    yield {"name": "Dilated", "size": CONTEXT_SIDE, "layers": [asdict(window) for window in path]}
