"""What crosses the sandbox's wall: faithful for honest values, and nothing else."""

import json
import random

import numpy as np
import pytest
import torch

from courseware.grading.inside.wire import Model, WireError, decode, encode


@pytest.mark.parametrize(
    "value",
    [None, True, 7, -(2**62), 0.1, float("inf"), "é\n\0", [], (1, (2, [3.5])), {"a": [None], 3: {"b": ()}}],
    ids=str,
)
def test_plain_values_come_back_equal_and_of_the_same_type(value):
    back = decode(encode(value))
    assert back == value and type(back) is type(value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.uint8, torch.bool])
def test_tensors_come_back_bit_for_bit(dtype):
    x = torch.randint(0, 2, (2, 0 + 3, 4)).to(dtype)
    back = decode(encode({"x": [x, x.numpy()]}))["x"]
    assert back[0].dtype == dtype and torch.equal(back[0], x)
    assert isinstance(back[1], np.ndarray) and back[1].dtype == x.numpy().dtype


def test_strided_half_precision_and_gradient_tensors_are_sent_as_numbers():
    x = torch.arange(12.0, requires_grad=True).reshape(3, 4).T
    assert torch.equal(decode(encode(x)), x.detach())
    assert decode(encode(x.bfloat16())).dtype == torch.float32
    assert decode(encode(np.float32(2.5))).shape == ()


def test_a_network_is_sent_by_name():
    model = Model("resnet20_cifar", {"num_classes": 4})
    assert decode(encode([model])) == [model]


def nested(depth):
    value = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {1, 2},
        2**70,
        nested(40),
        np.array([object()]),
        np.array(["a"]),
        torch.zeros(2, dtype=torch.cfloat),
    ],
    ids=["object", "set", "large integer", "deep", "array of objects", "array of text", "complex"],
)
def test_other_values_are_refused(value):
    with pytest.raises(WireError):
        encode(value)


def with_header(header, body=b""):
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return len(text).to_bytes(4, "big") + text + body


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xff\xff\xff",
        with_header(b"{"),
        with_header([]),
        with_header({"tree": {"tensor": 0}, "arrays": []}),
        with_header({"tree": {"pickle": "x"}, "arrays": []}),
        with_header({"tree": None, "arrays": [["float32", [2**60]]]}),
        with_header({"tree": None, "arrays": [["float32", [-1]]]}),
        with_header({"tree": None, "arrays": [["object", [1]]]}, b"12345678"),
        with_header({"tree": None, "arrays": []}, b"more"),
        with_header(b'{"tree": ' + b"[" * 100_000 + b', "arrays": []}'),
        with_header(b'{"tree": ' + b"9" * 100_000 + b', "arrays": []}'),
    ],
    ids=range(12),
)
def test_bytes_that_are_no_value_are_refused(data):
    with pytest.raises(WireError):
        decode(data)


def test_damaged_bytes_never_do_anything_but_raise():
    data = encode({"value": [torch.randn(3), (1, "two", 3.0)], "more": {"x": np.eye(2)}})
    chance = random.Random(1)
    for _ in range(500):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            decode(bytes(damaged[: chance.randint(0, len(damaged))] if chance.random() < 0.3 else damaged))
        except WireError:
            continue
