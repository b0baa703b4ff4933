"""What a network costs and sees, layer by layer: parameters, MACs, activations, receptive field.

Everything is read off one forward pass of a single image on PyTorch's meta device, where tensors
have shapes but no numbers: ResNet-152 takes a fraction of a second and no memory.

One *MAC* is one multiply-accumulate of a convolution or a linear layer. PyTorch's own FLOP counter
counts two operations for each, and leaves out biases, normalisation, activations and pooling.
"""

import copy
import difflib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from convbook.shapes import ShapesOnly
from convbook.tables import html_table
from convbook.trace import Trace

__all__ = ["LayerRow", "Profile", "ProfileError", "count_macs", "count_params", "profile", "receptive_field"]

BYTES_PER_ACTIVATION = 4  # float32


class ProfileError(ValueError):
    """A network cannot be profiled as asked."""


@dataclass(frozen=True)
class LayerRow:
    """One layer, or one module with everything inside it."""

    name: str
    kind: str  # class name
    output_shape: tuple[int, ...]  # (C, H, W) or (features,), without the batch; () if it never ran
    params: int
    macs: int
    activations: int  # output scalars of one image; 0 where a layer overwrites its input
    receptive_field: int | None  # pixels, larger side; None if it cannot be told
    jump: int | None  # input pixels between neighbouring outputs; 0 where one value sees the whole image
    kernel_size: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    groups: int = 1

    @property
    def detail(self) -> str:
        """Kernel, stride and groups in short: ``3×3 /2, 32 groups``."""
        text = "×".join(map(str, self.kernel_size))
        text += f" /{self.stride[0]}" if self.stride and self.stride[0] > 1 else ""
        return text + (f", {self.groups} groups" if self.groups > 1 else "")


@dataclass(frozen=True, repr=False)
class LayerTable:
    """Rows of a profile under a caption; a notebook shows it as an accessible table."""

    caption: str
    rows: list[LayerRow]
    total: LayerRow

    headings = ("Layer", "Kind", "Output", "Parameters", "MACs", "Receptive field")

    def cells(self) -> list[list[str]]:
        """Return the table's body as text, the totals last."""
        return [
            [
                row.name,
                f"{row.kind} {row.detail}".strip(),
                "\u00a0×\u00a0".join(map(str, row.output_shape)) or "not run",  # not to be broken
                f"{row.params:,}",
                f"{row.macs:,}",
                "–" if row.receptive_field is None else f"{row.receptive_field:,}",
            ]
            for row in [*self.rows, self.total]
        ]

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return a dictionary a row, without the totals."""
        return [asdict(row) for row in self.rows]

    def to_markdown(self) -> str:
        """Return the table in Markdown."""
        lines = [list(self.headings), ["---", "---", "---", "--:", "--:", "--:"], *self.cells()]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)

    def __repr__(self) -> str:
        return f"{self.caption}\n\n{self.to_markdown()}"

    def _repr_html_(self) -> str:
        return html_table(self.caption, self.headings, self.cells(), numeric={3, 4, 5}, totals=True)


@dataclass(frozen=True, repr=False)
class Profile:
    """The cost of one network for one image."""

    name: str
    input_size: tuple[int, ...]  # (C, H, W)
    rows: list[LayerRow]  # in the order of execution; layers that never ran come last
    buffers: int  # scalars that are kept but not trained
    modules: dict[str, LayerRow]  # every module by name, own and inner costs together

    @property
    def params(self) -> int:
        """Trainable scalars; one that two layers share counts once."""
        return sum(row.params for row in self.rows)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of convolutions and linear layers."""
        return sum(row.macs for row in self.rows)

    @property
    def activation_bytes(self) -> int:
        """Bytes of all layers' outputs in float32: what training must keep, roughly."""
        return BYTES_PER_ACTIVATION * sum(row.activations for row in self.rows)

    @property
    def receptive_field(self) -> int | None:
        """Largest receptive field of a layer or block that still has positions (jump above 0), in pixels."""
        sizes = [part.receptive_field for part in self.modules.values() if part.jump]
        return max((size for size in sizes if size), default=None)

    def layer(self, name: str) -> LayerRow:
        """Return a layer, block or stage by its module name, with all that is inside it."""
        if name not in self.modules:
            near = difflib.get_close_matches(name, self.modules, n=3)
            raise ProfileError(
                f"{self.name} has no layer {name!r}" + (f"; near: {', '.join(near)}" if near else "")
            )
        return self.modules[name]

    def table(self, depth: int | None = None) -> LayerTable:
        """Return the layers as a table; ``depth=1`` sums up the network's direct children, and so on."""
        rows = self.rows
        if depth is not None:
            if depth < 1:
                raise ProfileError(f"depth must be 1 or more, not {depth}")
            groups: dict[str, list[LayerRow]] = {}
            for row in rows:
                groups.setdefault(".".join(row.name.split(".")[:depth]), []).append(row)
            rows = [self._sum(name, members) for name, members in groups.items()]
        size = " × ".join(map(str, self.input_size))
        last = next((row.output_shape for row in reversed(self.rows) if row.output_shape), ())
        total = LayerRow("Total", "", last, self.params, self.macs, 0, self.receptive_field, None)
        return LayerTable(f"{self.name}, one image of {size}", rows, total)

    def _sum(self, name: str, members: list[LayerRow]) -> LayerRow:
        whole = self.modules[name]
        if not whole.output_shape:  # a container whose children are called one by one
            last = members[-1]
            whole = replace(last, name=name, kind=whole.kind, kernel_size=(), stride=(), groups=1)
        return replace(
            whole,
            params=sum(row.params for row in members),
            macs=sum(row.macs for row in members),
            activations=sum(row.activations for row in members),
        )

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return a dictionary a layer."""
        return self.table().to_dicts()

    def to_markdown(self) -> str:
        """Return the table of layers in Markdown."""
        return self.table().to_markdown()

    def __repr__(self) -> str:
        return repr(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def profile(
    model: nn.Module | str,
    input_size: Sequence[int] | None = None,
    *,
    name: str | None = None,
    **overrides: Any,
) -> Profile:
    """Profile a network, given as a module or as a name that ``create_model`` knows.

    Args:
        model: a name, built on the meta device, or a module, which is left as it is.
        input_size: (C, H, W) of one image; by default the size its paper used.
        name: what tables call the network; by default its registered name or its class.
        **overrides: passed on to ``create_model``; only for names.

    Raises:
        ProfileError: no input size is known, or the network needs numbers that the meta device lacks.
    """
    network, known_as, default_size = _on_meta(model, overrides)
    size = tuple(input_size or default_size)
    if len(size) != 3:
        raise ProfileError(f"input_size must be (C, H, W), for instance (3, 224, 224); got {size or None}")
    return _run(network, name or known_as, size)


def count_params(model: nn.Module | str, **overrides: Any) -> int:
    """Count trainable scalars, without running the network."""
    return sum(p.numel() for p in _on_meta(model, overrides)[0].parameters())


def count_macs(model: nn.Module | str, input_size: Sequence[int] | None = None, **overrides: Any) -> int:
    """Count the multiply-accumulates of one image."""
    return profile(model, input_size, **overrides).macs


def receptive_field(
    model: nn.Module | str, input_size: Sequence[int] | None = None, **overrides: Any
) -> int | None:
    """Return the side, in pixels, of what the last layer with positions can see."""
    return profile(model, input_size, **overrides).receptive_field


def _on_meta(model: nn.Module | str, overrides: dict[str, Any]) -> tuple[nn.Module, str, tuple[int, ...]]:
    """Return a network without numbers, its name, and its input size if known."""
    if isinstance(model, str):
        from convbook.models import create_model, describe

        with torch.device("meta"), ShapesOnly():
            network = create_model(model, **overrides)
        size = tuple(describe(model).input_size)
        return network, model, (overrides.get("in_channels") or size[0], *size[1:])
    if overrides:
        raise ProfileError("overrides go with a name; this network is already built")
    tensors = [*model.parameters(), *model.buffers()]
    if all(t.is_meta for t in tensors):
        return model, type(model).__name__, tuple(getattr(model, "input_size", ()))
    # Deep-copying with every tensor swapped for an empty one copies the structure and no weights.
    memo: dict[int, Any] = {}
    for p in model.parameters():
        memo[id(p)] = nn.Parameter(torch.empty_like(p, device="meta"), requires_grad=p.requires_grad)
    for b in model.buffers():
        memo[id(b)] = torch.empty_like(b, device="meta")
    return copy.deepcopy(model, memo), type(model).__name__, tuple(getattr(model, "input_size", ()))


def _run(network: nn.Module, name: str, size: tuple[int, ...]) -> Profile:
    """Run one image through the network and note what each module did."""
    trace = Trace()
    names = {module: path for path, module in network.named_modules()}
    inner: dict[nn.Module, int] = dict.fromkeys(names, 0)  # MACs, children's included
    below: dict[nn.Module, int] = dict.fromkeys(names, 0)  # MACs of children alone
    outputs: dict[nn.Module, tuple[tuple[int, ...], int, int | None, int | None]] = {}
    stack: list[tuple[nn.Module, int]] = []

    def before(module: nn.Module, args: Any) -> None:
        stack.append((module, trace.macs))

    def after(module: nn.Module, args: Any, result: Any) -> None:
        _, start = stack.pop()
        macs = trace.macs - start
        out = _first_tensor(result)
        say: Any = getattr(module, "count_macs", None)
        if out is not None and say is not None:
            macs = say(out)  # a layer that pads its kernel with zeros says so itself
        inner[module] += macs
        if stack:
            below[stack[-1][0]] += macs
        if out is None:
            return
        written = 0 if any(out is a for a in args) else out.numel()
        written += outputs[module][1] if module in outputs else 0
        outputs.pop(module, None)  # called again: it moves to its last place
        outputs[module] = (tuple(out.shape[1:]), written, *trace.field(out))

    handles = [m.register_forward_pre_hook(before) for m in names]
    handles += [m.register_forward_hook(after) for m in names]
    dtype = next((p.dtype for p in network.parameters() if p.is_floating_point()), torch.float32)
    image = torch.empty(1, *size, device="meta", dtype=dtype)
    modes = {module: module.training for module in names}
    network.eval()
    try:
        with torch.no_grad(), trace.watch(image):
            network(image)
    except RuntimeError as error:
        if "meta" not in str(error):
            raise
        raise ProfileError(f"{name} needs numbers, not only shapes, in its forward pass: {error}") from error
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes.items():
            module.training = training

    seen: set[int] = set()
    rows, modules = [], {}
    for module in [*outputs, *(m for m in names if m not in outputs)]:
        own = [p for p in module.parameters(recurse=False) if id(p) not in seen]
        seen.update(map(id, own))
        own_params, own_macs = sum(p.numel() for p in own), inner[module] - below[module]
        row = _row(names[module], module, outputs.get(module), own_params, own_macs)
        leaf = next(module.children(), None) is None
        if own_params or own_macs or (leaf and row.output_shape):
            rows.append(row)
        total = sum(p.numel() for p in module.parameters())
        modules[row.name] = replace(row, params=total, macs=inner[module])
    return Profile(name, size, rows, sum(b.numel() for b in network.buffers()), modules)


def _row(
    path: str,
    module: nn.Module,
    output: tuple[tuple[int, ...], int, int | None, int | None] | None,
    params: int,
    macs: int,
) -> LayerRow:
    shape, activations, seen, jump = output or ((), 0, None, None)

    def pair(value: Any) -> tuple[int, ...]:
        return (
            tuple(value) if isinstance(value, Iterable) else (value, value) if isinstance(value, int) else ()
        )

    return LayerRow(
        path,
        type(module).__name__,
        shape,
        params,
        macs,
        activations,
        seen,
        jump,
        pair(getattr(module, "kernel_size", None)),
        pair(getattr(module, "stride", None)),
        getattr(module, "groups", 1),
    )


def _first_tensor(result: Any) -> Tensor | None:
    if isinstance(result, Tensor):
        return result
    values = (
        result.values() if isinstance(result, dict) else result if isinstance(result, (list, tuple)) else ()
    )
    return next((v for v in values if isinstance(v, Tensor)), None)
