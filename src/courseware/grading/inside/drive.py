"""What runs in the jail: a student's program, then calls of what it defines, on the inputs that were sent."""

from typing import Any

import torch
from torch import Tensor, nn

from . import engine, graph, structure, wire


def drive(payload: bytes) -> bytes:
    """Run the order in `payload`; return the answers, one a trial.

    The order holds `cells`, `name` and `trials`; each trial says what to `do` with the name ("call", "build"
    or "network"), its `args` and `kwargs`. An answer holds what came back, or under "raised" one line on what
    went wrong. What a student's value looks like in detail is for the judge to find out.
    """
    order = wire.decode(payload)
    try:
        space = engine.run(order["cells"])
    except engine.CellError as error:
        return wire.encode([{"raised": str(error)}] * len(order["trials"]))
    answers = []
    for trial in order["trials"]:
        torch.manual_seed(trial["seed"])
        try:
            answers.append(VERBS[trial["do"]](space[order["name"]], trial))
        except Exception as error:
            answers.append({"raised": engine.describe(error)})
    return wire.encode(answers)


def call(function: Any, trial: dict[str, Any]) -> dict[str, Any]:
    """Call a function; what it returns is the answer."""
    args, kwargs = make(trial["args"]), make(trial["kwargs"])
    return _sendable(function(*args, **kwargs))


def build(function: Any, trial: dict[str, Any]) -> dict[str, Any]:
    """Make a module, fill it with drawn numbers, run it; its layers and its results are the answer."""
    module = function(*make(trial["args"]), **make(trial["kwargs"]))
    if not isinstance(module, nn.Module):
        return {"raised": f"it should give an nn.Module, not {type(module).__name__}"}
    described = structure.describe(module)
    structure.fill(module, trial["fill"])
    module.train(trial["train"])
    outputs = []
    for x in trial["inputs"]:
        outputs.append(_sendable(module(*x) if isinstance(x, tuple) else module(x)))
    return {"layers": described, "outputs": outputs}


def network(function: Any, trial: dict[str, Any]) -> dict[str, Any]:
    """Make a network and trace it; the network as data is the answer."""
    made = function(*make(trial["args"]), **make(trial["kwargs"]))
    if not isinstance(made, nn.Module):
        return {"raised": f"it should give an nn.Module, not {type(made).__name__}"}
    return {"graph": graph.trace(made)}


VERBS = {"call": call, "build": build, "network": network}


def make(value: Any) -> Any:
    """Arguments as sent, with each network named among them made."""
    if isinstance(value, wire.Model):
        from convbook.models import create_model

        return create_model(value.name, **value.options)
    if isinstance(value, list | tuple):
        return type(value)(make(each) for each in value)
    if isinstance(value, dict):
        return {name: make(each) for name, each in value.items()}
    return value


def _sendable(value: Any) -> dict[str, Any]:
    """The value as an answer, or why it cannot be one."""
    try:
        wire.encode(value)
    except wire.WireError as error:
        what = "an nn.Module" if isinstance(value, nn.Module) else str(error)
        return {"raised": f"it returned {what}"}
    return {"value": value.detach() if isinstance(value, Tensor) else value}
