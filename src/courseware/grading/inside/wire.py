"""Values as bytes and back, without pickle: all that crosses the sandbox's wall.

Four bytes of length, a header in JSON (the value's tree, and type and shape of each array), then the arrays'
raw bytes. Reading is strict: whatever is not exactly this raises WireError, and nothing larger than the bytes
themselves is ever made.
"""

import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

DTYPES = {
    name: np.dtype(name)
    for name in ("bool", "uint8", "int8", "int16", "int32", "int64", "float32", "float64")
}
MAX_HEADER = 2_000_000
MAX_ARRAYS = 10_000
MAX_DIMENSIONS = 16
MAX_DEPTH = 12
MAX_INT = 2**63


class WireError(ValueError):
    """A value that cannot cross the wall, or bytes that hold none."""


@dataclass(frozen=True)
class Model:
    """A network of the registry, named in an argument and made where it is used."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)


def encode(value: Any) -> bytes:
    """Return `value` as bytes: None, bool, int, float, str, tensors, arrays, lists, tuples, dicts.

    Raises:
        WireError: for any other type, an integer of more than 64 bits, or nesting deeper than MAX_DEPTH.
    """
    arrays: list[np.ndarray] = []
    tree = _pack(value, arrays, 0)
    header = json.dumps({"tree": tree, "arrays": [[a.dtype.name, list(a.shape)] for a in arrays]}).encode()
    return b"".join([len(header).to_bytes(4, "big"), header, *(a.tobytes() for a in arrays)])


def decode(data: bytes) -> Any:
    """Return the value that `encode` wrote.

    Raises:
        WireError: if the bytes are not such a value, whole and alone.
    """
    length = int.from_bytes(data[:4], "big")
    if len(data) < 4 or length > MAX_HEADER or len(data) < 4 + length:
        raise WireError("no header")
    try:
        header = json.loads(data[4 : 4 + length])
        arrays, end = [], 4 + length
        if len(header["arrays"]) > MAX_ARRAYS:
            raise WireError("too many arrays")
        for name, shape in header["arrays"]:
            if len(shape) > MAX_DIMENSIONS or not all(type(n) is int and n >= 0 for n in shape):
                raise WireError("a shape that is none")
            dtype, count = DTYPES[name], math.prod(shape)
            if count > len(data):
                raise WireError("an array larger than its bytes")
            flat = np.frombuffer(data, dtype, count, end)
            end += flat.nbytes
            arrays.append(flat.reshape(shape).copy())
        if end != len(data):
            raise WireError("bytes left over")
        return _unpack(header["tree"], arrays, 0)
    except WireError:
        raise
    except (ValueError, LookupError, TypeError, ArithmeticError, RecursionError, AttributeError) as error:
        raise WireError(f"not a value: {type(error).__name__}") from None


def _pack(value: Any, arrays: list[np.ndarray], depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise WireError("nested too deeply")
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        if abs(value) >= MAX_INT:
            raise WireError("an integer of more than 64 bits")
        return int(value)
    if isinstance(value, float):
        return {"float": float(value).hex()}
    if isinstance(value, np.generic):
        value = np.asarray(value)
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        wide = value.float() if value.dtype in (torch.bfloat16, torch.float16) else value
        return {"tensor": _keep(wide.contiguous().numpy(), arrays)}
    if isinstance(value, np.ndarray):
        return {"array": _keep(value, arrays)}
    if isinstance(value, Model):
        return {"model": value.name, "options": _pack(value.options, arrays, depth + 1)}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_pack(each, arrays, depth + 1) for each in value]}
    if isinstance(value, dict):
        return {"dict": [[_pack(part, arrays, depth + 1) for part in pair] for pair in value.items()]}
    raise WireError(f"a value of type {type(value).__name__}")


def _keep(array: np.ndarray, arrays: list[np.ndarray]) -> int:
    if array.dtype.name not in DTYPES:
        raise WireError(f"an array of {array.dtype.name}")
    arrays.append(array)
    return len(arrays) - 1


def _unpack(tree: Any, arrays: list[np.ndarray], depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise WireError("nested too deeply")
    if tree is None or isinstance(tree, bool | str):
        return tree
    if isinstance(tree, int):
        if abs(tree) >= MAX_INT:
            raise WireError("an integer of more than 64 bits")
        return tree
    (kind, content), *rest = tree.items()
    if kind == "float":
        return float.fromhex(content)
    if kind == "tensor":
        return torch.from_numpy(arrays[content])
    if kind == "array":
        return arrays[content]
    if kind == "model":
        return Model(str(content), _unpack(rest[0][1], arrays, depth + 1))
    if kind == "dict":
        return {_unpack(key, arrays, depth + 1): _unpack(value, arrays, depth + 1) for key, value in content}
    if kind in ("list", "tuple"):
        parts = [_unpack(each, arrays, depth + 1) for each in content]
        return parts if kind == "list" else tuple(parts)
    raise WireError("an unknown kind of value")
