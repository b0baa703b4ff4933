"""Controls that ask a running kernel: any network, any image.

For labs and live notebooks only. Without a kernel such a control moves and nothing follows, so no chapter
may use this module: its executed page would show dead controls. A lab's page is its student version, which
has no outputs. What a reader without a kernel is to play with belongs into ``convbook.explore``.

Only what ipywidgets 7.7 and 8 have in common is used.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from functools import cache
from html import escape
from typing import Any

import ipywidgets
import matplotlib
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from convbook.plots.capture import capture
from convbook.plots.charts import layer_bars
from convbook.plots.display import SVG, checked_alt, picture
from convbook.plots.images import overlay
from convbook.plots.style import PALETTE, STYLE, new_figure
from convbook.profile import Profile, profile

__all__ = ["Live", "feature_maps", "layer_costs", "receptive_field", "temperature"]

Drawn = tuple[Figure, str, Any]  # a figure, what it shows in words, and what was computed


class Live(ipywidgets.VBox):
    """Controls above a picture that follows them; shows itself as the last value of a cell.

    Attributes:
        controls: the widgets by name; setting the ``value`` of one draws anew.
        result: what was computed for the present values; None where that failed.
        words: the picture's alternative text, or why there is none.
    """

    def __init__(
        self,
        controls: dict[str, Any],
        draw: Callable[..., Drawn],
        prepare: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        """Put the controls on the page.

        Args:
            controls: by the names that ``draw`` takes.
            draw: gives figure, words and result for the controls' values.
            prepare: sets limits of controls that depend on other controls, before each drawing.
        """
        self.controls, self.result, self.words = controls, None, ""
        self._draw, self._prepare, self._busy = draw, prepare, False
        self._shown = ipywidgets.HTML()
        super().__init__(children=[*controls.values(), self._shown])
        for control in controls.values():
            control.observe(self._update, names="value")
        self._update()

    def _update(self, change: Any = None) -> None:
        if self._busy:  # a limit moved another control: the drawing under way will see it
            return
        self._busy = True
        try:
            if self._prepare:
                self._prepare(self.controls)
            values = {name: control.value for name, control in self.controls.items()}
            figure, words, self.result = self._draw(**values)
            self.words = checked_alt(words)
            self._shown.value = f"{_html(figure, self.words)}<p>{escape(self.words)}</p>"
        except (RuntimeError, ValueError) as error:  # in a callback it would go unseen
            self.result, self.words = None, f"{type(error).__name__}: {error}"
            self._shown.value = f"<p>{escape(self.words)}</p>"
        finally:
            self._busy = False


def receptive_field(model: nn.Module, image: Tensor) -> Live:
    """Which pixels a unit listens to: choose its layer, row and column.

    The unit's channels are added up; drawn is the absolute gradient of that sum with respect to the image,
    added over the image's channels (Luo et al. 2016), in a frame around all pixels where it is not zero.
    ``result`` is that map, (H, W).

    Args:
        model: any network; it is left as it was.
        image: (C, H, W), floats as the network wants them.

    Raises:
        ValueError: if the image is none, or no layer of the network puts out maps.
    """
    shapes = _map_shapes(model, image)
    fields = profile(model, tuple(image.shape))

    def limit(controls: dict[str, Any]) -> None:
        height, width = shapes[controls["layer"].value][-2:]
        for name, size in (("row", height), ("column", width)):
            if controls[name].max != size - 1:  # a map of another size: begin in its middle
                controls[name].max = size - 1
                controls[name].value = size // 2

    def draw(layer: str, row: int, column: int) -> Drawn:
        found = _gradient(model, layer, image, row, column)
        rows, columns = (found.sum(dim).nonzero().flatten().tolist() for dim in (1, 0))
        figure = overlay(image, found, label="gradient")
        words = f"No pixel moves unit ({row}, {column}) of {layer}: a ReLU is shut, or it sees only padding."
        if rows:
            size = columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1
            with matplotlib.rc_context(STYLE):
                for axes in figure.axes[:2]:
                    corner = columns[0] - 0.5, rows[0] - 0.5
                    axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=PALETTE[1], linewidth=2))
            words = (
                f"Unit ({row}, {column}) of {layer} listens to rows {rows[0]} to {rows[-1]} and "
                f"columns {columns[0]} to {columns[-1]}, {size[1]} × {size[0]} pixels."
            )
        theory = fields.layer(layer).receptive_field
        return figure, words + (f" Its field is {theory} pixels wide." if theory else ""), found

    height, width = shapes[next(iter(shapes))][-2:]
    controls = {
        "layer": _dropdown("Layer", list(shapes)),
        "row": _int_slider("Row", height // 2, height - 1),
        "column": _int_slider("Column", width // 2, width - 1),
    }
    return Live(controls, draw, limit)


def feature_maps(model: nn.Module, image: Tensor) -> Live:
    """What a layer makes of an image: choose layer and channel. ``result`` is the map, (h, w).

    Args:
        model: any network; it is left as it was.
        image: (C, H, W), floats as the network wants them.

    Raises:
        ValueError: if the image is none, or no layer of the network puts out maps.
    """
    shapes = _map_shapes(model, image)

    def limit(controls: dict[str, Any]) -> None:
        last = shapes[controls["layer"].value][0] - 1
        controls["channel"].max = last  # which also brings the value down to it

    def draw(layer: str, channel: int) -> Drawn:
        found = capture(model, image[None], layer)[layer][0, channel]
        size = " × ".join(map(str, found.shape))
        words = (
            f"Channel {channel} of {layer}, {size}, from {found.min():.3g} to {found.max():.3g}, "
            "over the image."
        )
        return overlay(image, found, label="activation"), words, found

    first = shapes[next(iter(shapes))][0]
    controls = {
        "layer": _dropdown("Layer", list(shapes)),
        "channel": _int_slider("Channel", 0, first - 1),
    }
    return Live(controls, draw, limit)


def layer_costs(
    model: nn.Module | str, input_size: Sequence[int] | None = None, **choices: Sequence[Any]
) -> Live:
    """Where a network spends: choose the quantity, the image's side, and what ``create_model`` takes.

    ``result`` is the ``Profile``.

    Args:
        model: a registered name, or any network.
        input_size: (C, H, W) at first; by default the size the network was published with.
        **choices: values to choose from, the first one shown first, for arguments of ``create_model``: for
            instance ``width_mult=(1.0, 0.75, 0.5, 0.25)``. Only for names.

    Raises:
        ProfileError: if no input size is known, or choices come with a network that is built.
    """
    counted = cache(lambda side, **options: profile(model, (channels, side, side), **options))
    start = profile(model, input_size, **{name: values[0] for name, values in choices.items()})
    channels, height, _ = start.input_size
    quantities = {"multiply-accumulates": "macs", "parameters": "params", "activations": "activations"}

    def draw(quantity: str, side: int, **options: Any) -> Drawn:
        found: Profile = counted(side, **options)
        chosen = "".join(f", {name} {value}" for name, value in options.items())
        words = (
            f"{found.name}{chosen}, one image of {side} × {side}: {found.params:,} parameters, "
            f"{found.macs:,} multiply-accumulates, {found.activation_bytes / 2**20:.1f} MiB of activations. "
            f"Bars: {quantity} of each part."
        )
        return layer_bars(found, quantities[quantity]), words, found

    sides = sorted({max(1, height * quarters // 4) for quarters in (2, 3, 4, 6, 8)})
    controls = {
        "quantity": _dropdown("Quantity", list(quantities)),
        "side": _dropdown("Side", sides, height),
        **{name: _dropdown(name, list(values)) for name, values in choices.items()},
    }
    return Live(controls, draw)


def temperature(logits: Tensor, classes: Sequence[str] | None = None) -> Live:
    """Soft targets of a trained network: choose image and temperature (Hinton et al. 2015, equation 1).

    ``result`` are the probabilities, (classes,).

    Args:
        logits: (N, classes).
        classes: a name for each class; by default its number.

    Raises:
        ValueError: if the logits are no table, or the names do not fit.
    """
    if logits.dim() != 2:
        raise ValueError(f"logits must be (N, classes), not {tuple(logits.shape)}")
    names = list(classes) if classes is not None else [str(each) for each in range(logits.shape[1])]
    if len(names) != logits.shape[1]:
        raise ValueError(f"{len(names)} names for {logits.shape[1]} classes")

    def draw(image: int, log2: float) -> Drawn:
        found = (logits[image].detach().float().cpu() / 2**log2).softmax(dim=0)
        figure, axes = new_figure(height=0.9 + 0.24 * len(names))
        with matplotlib.rc_context(STYLE):
            axes.barh(range(len(names)), found.tolist(), color=PALETTE[0])
            axes.set_yticks(range(len(names)), names)
            axes.set(xlim=(0, 1), xlabel="probability")
            axes.invert_yaxis()
        order = found.argsort(descending=True)[:3].tolist()
        top = ", ".join(f"{names[i]} {found[i]:.3g}" for i in order)
        return figure, f"Image {image} at temperature {2**log2:.3g}: {top}.", found

    power = {"min": -2.0, "max": 5.0, "step": 0.25, "value": 0.0, "continuous_update": False}
    controls = {
        "image": _int_slider("Image", 0, len(logits) - 1),
        "log2": ipywidgets.FloatSlider(description="log₂ T", **power),
    }
    return Live(controls, draw)


def _gradient(model: nn.Module, layer: str, image: Tensor, row: int, column: int) -> Tensor:
    """Return (H, W): absolute gradient of a unit, added over its channels and the image's."""
    outputs: list[Tensor] = []
    # A copy, because an in-place ReLU behind this module would change it.
    hook = model.get_submodule(layer).register_forward_hook(lambda m, args, out: outputs.append(out.clone()))
    parameter = next(model.parameters(), image)
    pixels = image[None].to(parameter.device).requires_grad_()
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        with torch.enable_grad():
            model(pixels)
            (found,) = torch.autograd.grad(outputs[-1][0, :, row, column].sum(), pixels)
    finally:
        hook.remove()
        for module, training in modes:
            module.training = training
    return found[0].abs().sum(dim=0).cpu()


def _map_shapes(model: nn.Module, image: Tensor) -> dict[str, tuple[int, ...]]:
    """Return (C, H, W) of each layer that puts out maps of more than one position, in order of execution."""
    if image.dim() != 3 or not image.is_floating_point():
        raise ValueError(f"image must be floats (C, H, W), not {image.dtype} {tuple(image.shape)}")
    rows = profile(model, tuple(image.shape)).rows
    shapes: dict[str, tuple[int, ...]]
    shapes = {row.name: row.output_shape for row in rows if len(row.output_shape) == 3}
    shapes = {name: shape for name, shape in shapes.items() if max(shape[1:]) > 1}
    if not shapes:
        raise ValueError(f"no layer of {type(model).__name__} puts out maps: choose a convolutional network")
    return shapes


def _dropdown(label: str, options: Sequence[Any], value: Any = None) -> Any:
    first = options[0] if value is None else value
    return ipywidgets.Dropdown(description=label, options=list(options), value=first)


def _int_slider(label: str, value: int, largest: int) -> Any:
    limits = {"min": 0, "max": largest, "continuous_update": False}
    return ipywidgets.IntSlider(description=label, value=value, **limits)


def _html(figure: Figure, words: str) -> str:
    """A figure as HTML with its alternative text."""
    drawn = picture(figure, words)
    if drawn.mime == SVG:
        return drawn.data.decode()
    address = f"data:{drawn.mime};base64,{base64.b64encode(drawn.data).decode()}"
    return f'<img src="{address}" alt="{escape(words)}" width="{drawn.width}" height="{drawn.height}">'
