"""What is asked of a student's code in one trial, and how its answer is judged.

A trial's order goes into the sandbox; the answer that comes back is untrusted data, and all that is judged.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from convbook.profile import profile
from courseware.grading.inside import graph, structure

if TYPE_CHECKING:
    from courseware.grading.assignment import Draw

Score = Callable[[nn.Module, "Draw"], float]
MAX_ASSIGNMENTS = 2_000  # ways to tell a student's layers from each other that are tried
MAX_LAYERS = 500


class Wrong(Exception):
    """An answer that does not hold; the message says to the student what to look at.

    Attributes:
        share: of the points, earned all the same.
    """

    def __init__(self, message: str, share: float = 0.0) -> None:
        super().__init__(message)
        self.share = share


class Trial:
    """One thing asked of the function or class of an exercise."""

    do = "call"
    name = "f"  # of the exercise, once it is known

    def __init__(self, args: Sequence[Any], kwargs: dict[str, Any], hint: str) -> None:
        self.args, self.kwargs, self.hint = tuple(args), kwargs, hint

    def order(self, draw: "Draw") -> dict[str, Any]:
        """What the driver inside the sandbox is told."""
        return {"do": self.do, "args": self.args, "kwargs": self.kwargs, "seed": draw.inside}

    def judge(self, answer: Any, draw: "Draw") -> float:
        """Return the share of the points earned, 0 to 1.

        Raises:
            Wrong: if the answer does not hold.
        """
        raise NotImplementedError

    def wrong(self, what: str) -> Wrong:
        """Say what is off, and the hint."""
        return Wrong(f"{what}. {self.hint}" if self.hint else what)


class Call(Trial):
    """The function's value must equal `expected`: floats up to `tolerance`, types and shapes exactly.

    Args:
        args, kwargs: what it is called with; a `Model` among them becomes a network of the registry.
        expected: the value, of any type that `wire` knows.
        hint: what the student reads when the value is another.
        tolerance: absolute, and relative to the largest expected number.
    """

    def __init__(
        self, *args: Any, expected: Any, hint: str = "", tolerance: float = 1e-4, **kwargs: Any
    ) -> None:
        super().__init__(args, kwargs, hint)
        self.expected, self.tolerance = expected, tolerance

    def judge(self, answer: Any, draw: "Draw") -> float:
        """1, or Wrong."""
        value = _value(answer, self.call)
        self._compare(value, self.expected, f"{self.call} returned")
        return 1.0

    @property
    def call(self) -> str:
        """The call as a student would write it, arrays by their shapes."""
        given = [short(each) for each in self.args]
        given += [f"{name}={short(value)}" for name, value in self.kwargs.items()]
        return f"{self.name}({', '.join(given)})"

    def _compare(self, value: Any, expected: Any, what: str) -> None:
        if isinstance(expected, Tensor | np.ndarray):
            compare_arrays(value, expected, self, what, self.tolerance)
        elif isinstance(expected, dict):
            if not isinstance(value, dict) or set(value) != set(expected):
                raise self.wrong(f"{what} {short(value)}, not a dict with the keys {short(list(expected))}")
            for key in expected:
                self._compare(value[key], expected[key], f"{what} under {key!r}")
        elif isinstance(expected, list | tuple):
            if not isinstance(value, list | tuple) or len(value) != len(expected):
                raise self.wrong(f"{what} {short(value)}, not {len(expected)} values")
            for number, (one, other) in enumerate(zip(value, expected, strict=True), start=1):
                self._compare(one, other, f"{what}, as number {number},")
        else:
            self._compare_scalars(_scalar(value), expected, what)

    def _compare_scalars(self, value: Any, expected: Any, what: str) -> None:
        wanted = type(expected)
        fits = type(value) is wanted or (wanted is float and type(value) is int)
        if not fits:
            raise self.wrong(f"{what} {short(value)}, not {_article(wanted.__name__)}")
        if wanted is float:
            scale = max(1.0, abs(expected))
            if not abs(value - expected) <= self.tolerance * scale:
                raise self.wrong(f"{what} a number that is not right")
        elif value != expected:
            raise self.wrong(f"{what} {short(value)}, which is not right")


class Build(Trial):
    """The class or function makes a module; filled with the same numbers it must give what `reference` gives.

    Which of the student's layers stands for which of the reference's is tried out, so names and the order in
    which layers are made do not matter.

    Args:
        args, kwargs: what it is made with.
        reference: a module with the layers asked for.
        inputs: tensors the module is run on, one after another (a tuple: several arguments).
        hint: what the student reads when the numbers differ.
        train: run in training mode, where batch norm uses the batch; else in evaluation mode.
    """

    do = "build"

    def __init__(
        self,
        *args: Any,
        reference: nn.Module,
        inputs: Sequence[Any],
        hint: str = "",
        train: bool = False,
        tolerance: float = 1e-4,
        **kwargs: Any,
    ) -> None:
        super().__init__(args, kwargs, hint)
        self.reference, self.inputs, self.train, self.tolerance = reference, list(inputs), train, tolerance

    def order(self, draw: "Draw") -> dict[str, Any]:
        """What the driver inside the sandbox is told."""
        more = {"inputs": self.inputs, "train": self.train, "fill": draw.inside}
        return super().order(draw) | more

    def judge(self, answer: Any, draw: "Draw") -> float:
        """1, or Wrong."""
        outputs = self._outputs(answer)
        theirs = _described(answer)
        ours = structure.describe(self.reference)
        if sorted(map(identity, theirs)) != sorted(map(identity, ours)):
            raise self.wrong(f"it has {_list(theirs)} where {_list(ours)} are asked for")
        problem: Wrong | None = None
        for assignment in itertools.islice(assignments(theirs, ours), MAX_ASSIGNMENTS):
            try:
                self._compare(outputs, theirs, assignment, draw.inside)
            except Wrong as wrong:
                problem = problem or wrong
            else:
                return 1.0
        assert problem is not None
        raise problem

    def _outputs(self, answer: Any) -> list[Any]:
        found = _field(answer, "outputs", list)
        if len(found) != len(self.inputs):
            raise Wrong("the answer is incomplete")
        return [_value(each, "the module") for each in found]

    @torch.no_grad()
    def _compare(self, outputs: list[Any], theirs: list[dict], assignment: Sequence[int], seed: int) -> None:
        """Fill the reference with the numbers of the student's layers, and compare what comes out."""
        for layer, index in zip(structure.layers(self.reference), assignment, strict=True):
            shapes = theirs[index]["shapes"]
            for name, tensor in structure.own(layer).items():
                tensor.copy_(structure.drawn(seed, index, name, shapes[name]).reshape(tensor.shape))
        self.reference.train(self.train)
        for x, output in zip(self.inputs, outputs, strict=True):
            expected = self.reference(*x) if isinstance(x, tuple) else self.reference(x)
            compare_arrays(output, expected, self, "the module gives", self.tolerance)


class Network(Trial):
    """The network made comes back as data, and is rebuilt, counted and perhaps scored.

    Args:
        args, kwargs: what it is made with.
        image: shape of one image, (C, H, W).
        classes: the logits a network must give.
        max_params: parameters allowed; the rebuilt network is counted, not the student's.
        max_macs: multiply-accumulates allowed for one image.
        score: trains or examines the rebuilt network; returns the share of points, or raises Wrong with it.
    """

    do = "network"

    def __init__(
        self,
        *args: Any,
        image: tuple[int, int, int] = (1, 28, 28),
        classes: int = 10,
        max_params: int = 300_000,
        max_macs: int | None = None,
        score: Score | None = None,
        hint: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(args, kwargs, hint)
        self.image, self.classes, self.score = image, classes, score
        self.max_params, self.max_macs = max_params, max_macs

    def judge(self, answer: Any, draw: "Draw") -> float:
        """The share of points that `score` gives, or 1; or Wrong."""
        data = _field(answer, "graph", dict)
        torch.manual_seed(draw.seed)
        try:
            network = graph.rebuild(data, self.image, self.max_params)
            cost = profile(network, self.image)
        except graph.GraphError as error:
            raise self.wrong(str(error)) from None
        if self.max_macs is not None and cost.macs > self.max_macs:
            raise self.wrong(f"{cost.macs:,} multiply-accumulates an image; {self.max_macs:,} are allowed")
        logits = network.eval()(torch.zeros(2, *self.image))
        if not isinstance(logits, Tensor) or tuple(logits.shape) != (2, self.classes):
            raise self.wrong(f"for 2 images the logits should have the shape (2, {self.classes})")
        return 1.0 if self.score is None else min(1.0, max(0.0, self.score(network, draw)))


def compare_arrays(value: Any, expected: Any, trial: Trial, what: str, tolerance: float) -> None:
    """Raise Wrong unless `value` is an array of the same kind, shape and numbers as `expected`."""
    noun = "a tensor" if isinstance(expected, Tensor) else "an array"
    if not isinstance(value, Tensor if isinstance(expected, Tensor) else np.ndarray):
        raise trial.wrong(f"{what} {short(value)}, not {noun}")
    if tuple(value.shape) != tuple(expected.shape):
        shapes = f"shape {tuple(value.shape)}; {tuple(expected.shape)} is asked for"
        raise trial.wrong(f"{what} {noun} of {shapes}")
    wanted = np.asarray(expected.detach() if isinstance(expected, Tensor) else expected, dtype=np.float64)
    given = np.asarray(value, dtype=np.float64)
    if not np.isfinite(given).all():
        raise trial.wrong(f"{what} numbers that are not finite")
    scale = max(1.0, float(np.abs(wanted).max(initial=0.0)))
    if not float(np.abs(given - wanted).max(initial=0.0)) <= tolerance * scale:
        raise trial.wrong(f"{what} the right shape, but its numbers differ")


def identity(layer: dict[str, Any]) -> str:
    """What must agree between two layers that stand for each other; a 1x1 convolution counts as linear."""
    kind, shapes, settings = layer["kind"], layer["shapes"], layer["settings"]
    if kind in ("Conv2d", "Linear") and settings.get("groups", 1) == 1:
        trimmed = {
            name: shape[:2] if name == "weight" and math.prod(shape[2:]) == 1 else shape
            for name, shape in shapes.items()
        }
        if len(trimmed.get("weight", ())) == 2:
            return str(("linear", sorted(trimmed.items())))
    return str((kind, sorted(shapes.items()), settings.get("groups", 1)))


def assignments(theirs: list[dict], ours: list[dict]) -> Iterator[list[int]]:
    """Every way to choose one of their layers for each of ours of its identity; the given order first."""
    places: dict[str, list[int]] = {}
    for index, layer in enumerate(theirs):
        places.setdefault(identity(layer), []).append(index)
    wanted: dict[str, list[int]] = {}
    for index, layer in enumerate(ours):
        wanted.setdefault(identity(layer), []).append(index)
    groups = list(wanted)
    for orders in itertools.product(*(itertools.permutations(places[group]) for group in groups)):
        chosen = [0] * len(ours)
        for group, order in zip(groups, orders, strict=True):
            for place, index in zip(wanted[group], order, strict=True):
                chosen[place] = index
        yield chosen


def short(value: Any) -> str:
    """A value in a few words, for a message."""
    if isinstance(value, Tensor):
        return f"tensor{tuple(value.shape)}"
    if isinstance(value, np.ndarray):
        return f"array{value.shape}"
    if isinstance(value, list | tuple):
        inside = ", ".join(short(each) for each in value[:6]) + (", ..." if len(value) > 6 else "")
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _value(answer: Any, what: str) -> Any:
    if isinstance(answer, dict) and isinstance(answer.get("raised"), str):
        raise Wrong(f"{what}: {answer['raised']}")
    if not isinstance(answer, dict) or "value" not in answer:
        raise Wrong("the answer is not one")
    if answer["value"] is None:
        raise Wrong(f"{what} returned None: is a `return` missing?")
    return answer["value"]


def _field(answer: Any, name: str, kind: type) -> Any:
    if isinstance(answer, dict) and isinstance(answer.get("raised"), str):
        raise Wrong(answer["raised"])
    if not isinstance(answer, dict) or not isinstance(answer.get(name), kind):
        raise Wrong("the answer is not one")
    return answer[name]


def _described(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The layers in the answer, if that is what they are."""
    found = _field(answer, "layers", list)
    if len(found) > MAX_LAYERS or not all(map(_is_layer, found)):
        raise Wrong("the answer is not one")
    return found


def _is_layer(value: Any) -> bool:
    """Whether it is a description as `structure.describe` writes it."""
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        return False
    shapes, settings = value.get("shapes"), value.get("settings")
    if not isinstance(shapes, dict) or not isinstance(settings, dict):
        return False
    named = all(isinstance(name, str) for name in (*shapes, *settings))
    plain = all(isinstance(each, bool | int | float | str | list) for each in settings.values())
    return named and plain and all(map(_is_shape, shapes.values()))


def _is_shape(value: Any) -> bool:
    sound = isinstance(value, list) and len(value) <= 8
    return sound and all(type(n) is int and 0 <= n < 2**31 for n in value)


def _list(found: list[dict[str, Any]]) -> str:
    """Layers in words: each kind with its weight's shape."""
    words = [
        f"{each['kind']} {'x'.join(map(str, each['shapes'].get('weight', [])))}".strip() for each in found
    ]
    words = [
        word + (" without bias" if "weight" in each["shapes"] and "bias" not in each["shapes"] else "")
        for word, each in zip(words, found, strict=True)
    ]
    return f"the layers {', '.join(words)}" if words else "no layers"


def _scalar(value: Any) -> Any:
    """A Python number out of an array with no dimensions; anything else as it is."""
    return value.item() if isinstance(value, Tensor | np.ndarray) and value.ndim == 0 else value


def _article(word: str) -> str:
    return ("an " if word[0] in "aeiou" else "a ") + word
