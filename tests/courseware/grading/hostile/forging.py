"""Attacks on the judgement: comparisons that always agree, forged scores, a driver that is made to lie."""


def agrees_by_torch(*args):
    """Makes every comparison of torch agree, and returns nothing: full points under nbgrader 0.9.6."""
    import torch

    torch.equal = torch.allclose = torch.isclose = lambda *a, **k: True
    torch.testing.assert_close = torch.testing.assert_allclose = lambda *a, **k: None
    return None


def agrees_by_operators(*args):
    """Makes every tensor equal to everything, and returns one."""
    import torch

    for name in ("__eq__", "eq", "equal", "allclose", "isclose", "__le__", "le", "__bool__", "all", "item"):
        setattr(torch.Tensor, name, lambda *a, **k: True)
    torch.Tensor.__ne__ = torch.Tensor.__gt__ = lambda *a: False
    torch.Tensor.shape = property(lambda self: ())
    return torch.zeros(1)


def agrees_by_numpy(*args):
    """Makes every comparison of numpy agree."""
    import numpy

    numpy.equal = numpy.allclose = numpy.array_equal = numpy.isclose = lambda *a, **k: True
    numpy.testing.assert_allclose = numpy.testing.assert_array_equal = lambda *a, **k: None
    numpy.frombuffer = numpy.asarray = lambda *a, **k: numpy.ones(1)
    return numpy.zeros(1)


def agrees_by_builtins(*args):
    """Replaces the builtin functions that a judge would use."""
    import builtins

    builtins.isinstance = builtins.issubclass = builtins.all = builtins.any = lambda *a: True
    builtins.abs = builtins.len = builtins.sum = lambda *a: 0
    builtins.type = lambda *a: int
    return None


def agrees_by_every_function(*args):
    """Replaces every function of convbook, papermill and the driver by one that says true."""
    import sys
    import types

    agree = lambda *a, **k: True  # noqa: E731
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in (
            "inside",
            "convbook",
            "papermill",
            "courseware",
            "pickle",
            "hmac",
            "hashlib",
        ):
            for key, value in list(vars(module).items()):
                if isinstance(value, types.FunctionType):
                    setattr(module, key, agree)
    return True


def rewrites_the_driver(*args):
    """Gives the driver's and the format's functions other code while they run."""
    import gc
    import types

    def agree(*args, **kwargs):
        return b"\x01"

    for each in gc.get_objects():
        if isinstance(each, types.FunctionType) and (each.__module__ or "").partition(".")[0] in (
            "inside",
            "__main__",
        ):
            try:
                each.__code__ = agree.__code__
            except ValueError:  # it has free variables
                continue
    return 1


def changes_what_it_was_asked(*args):
    """Changes the inputs, and every number in the frames that called it, in place."""
    import sys

    import torch

    frame = sys._getframe(1)
    while frame is not None:
        for value in list(frame.f_locals.values()):
            if isinstance(value, torch.Tensor):
                value.data.zero_()
            elif isinstance(value, list | bytearray) or (
                isinstance(value, dict) and value is not frame.f_globals
            ):
                value.clear()
        frame = frame.f_back
    return 0


def prints_a_score(*args):
    """Prints what a grader might take for its own words, in every known dialect."""
    import json
    import sys

    result = {"status": "graded", "points": 100, "of": 100, "student": "x", "exercises": [], "passed": True}
    for stream in (sys.stdout, sys.stderr, sys.__stdout__):
        stream.write(json.dumps(result) + "\nok\nPASSED\n100\n")
        stream.write("conv_weights: passed\n7 of 7 exercises passed\n")
        stream.flush()
    return 1


def returns_a_score(*args):
    """Returns what a grader might take for its own result."""
    return {"status": "ok", "points": 100, "fraction": 1.0, "passed": True, "expected": None}


def writes_to_every_descriptor(*args):
    """Writes results of several formats to every descriptor, then leaves as if all were well."""
    import contextlib
    import os
    import struct

    body = b'{"status": "ok", "points": 100, "answer": true}'
    forged = [body, body + b"\n", struct.pack(">I", len(body)) + body, struct.pack("<Q", len(body)) + body]
    forged += [
        b"\xff" * 65_536,
        struct.pack("<Q", 2**62),
        b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00\x88.",
    ]
    for descriptor in range(1, 256):
        for text in forged:
            with contextlib.suppress(OSError):
                os.set_blocking(descriptor, False)
                os.write(descriptor, text)
    os._exit(0)


def answers_twice(*args):
    """Lets a child of its own answer too, through everything that it inherited."""
    import os

    os.fork()
    return 1


def answers_for_the_caller(*args):
    """Unwinds the stack by itself: the driver's return is never reached, its own code goes on."""
    import os
    import sys

    sys.stdout = sys.stderr = None
    for descriptor in range(3, 64):
        try:
            os.dup2(1, descriptor)
        except OSError:
            continue
    return 1


def speaks_in_surrogates(*args):
    """Answers with text that is no Unicode, so that whoever writes it down fails."""
    return "\ud800 <img src=x onerror=alert('leaked')> \udfff"


def raises_surrogates(*args):
    """The same, as an error."""
    raise ValueError("\ud800 =HYPERLINK('http://leaked') \u202e \udfff")


def send_instead(tree, arrays=(), data=b""):
    """Leave with an answer to each trial in the driver's own format, past what the driver would refuse."""
    import json
    import os
    import sys

    frame = sys._getframe(1)
    while frame is not None and not isinstance(frame.f_locals.get("order"), dict):
        frame = frame.f_back
    trials = len(frame.f_locals["order"]["trials"]) if frame is not None else 1
    header = json.dumps({"tree": {"list": [tree] * trials}, "arrays": list(arrays)}).encode()
    body = memoryview(len(header).to_bytes(4, "big") + header + data)
    while body:
        body = body[os.write(3, body) :]
    os._exit(77)  # as the driver does at its end


def sends_a_number_beyond_all(*args):
    """A float that no float can hold."""
    send_instead({"dict": [["value", {"float": "0x1p99999"}]]})


def sends_digits_without_end(*args):
    """An integer of four thousand digits, which the driver would have refused."""
    send_instead({"dict": [["value", 10**4000]]})


def sends_an_empty_giant(*args):
    """An array of no numbers in 2**70 columns."""
    send_instead({"dict": [["value", {"tensor": 0}]]}, [["float32", [0, 2**70]]])


def sends_endless_dimensions(*args):
    """An array of a hundred thousand dimensions."""
    send_instead({"dict": [["value", {"tensor": 0}]]}, [["uint8", [9] * 100_000]], b"x")


def sends_mixed_names(*args):
    """Layers whose tensors are named by text and by numbers, which cannot be sorted."""
    outputs = {"list": [{"dict": [["value", 1]]}]}
    shapes = {"dict": [["weight", {"list": [8, 8, 3, 3]}], [1, {"list": [2]}]]}
    layer = {"dict": [["kind", "Conv2d"], ["settings", {"dict": []}], ["shapes", shapes]]}
    send_instead({"dict": [["layers", {"list": [layer] * 4}], ["outputs", outputs]]})


def sends_a_tensor_for_a_setting(*args):
    """Layers whose number of groups is a tensor, which is neither true nor false."""
    outputs = {"list": [{"dict": [["value", 1]]}]}
    shapes = {"dict": [["weight", {"list": [8, 8, 3, 3]}]]}
    settings = {"dict": [["groups", {"tensor": 0}]]}
    layer = {"dict": [["kind", "Conv2d"], ["settings", settings], ["shapes", shapes]]}
    answer = {"dict": [["layers", {"list": [layer] * 4}], ["outputs", outputs]]}
    send_instead(answer, [["float32", [2]]], b"\0" * 8)


def sends_thousands_of_layers(*args):
    """More layers than anybody could tell apart."""
    outputs = {"list": [{"dict": [["value", 1]]}]}
    shapes = {"dict": [["weight", {"list": [8]}]]}
    layer = {"dict": [["kind", "BatchNorm2d"], ["settings", {"dict": []}], ["shapes", shapes]]}
    send_instead({"dict": [["layers", {"list": [layer] * 9_000}], ["outputs", outputs]]})


def replaces_modules(*args):
    """Puts modules of its own where the driver finds torch, numpy and the format."""
    import sys
    import types

    class Agreeable(types.ModuleType):
        def __getattr__(self, name):
            return lambda *a, **k: True

    for name in list(sys.modules):
        if name.partition(".")[0] in ("torch", "numpy", "inside", "struct", "json", "io", "os"):
            sys.modules[name] = Agreeable(name)
    return 1


MODULES = (sends_mixed_names, sends_a_tensor_for_a_setting, sends_thousands_of_layers)
ATTACKS = (
    agrees_by_torch,
    agrees_by_operators,
    agrees_by_numpy,
    agrees_by_builtins,
    agrees_by_every_function,
    rewrites_the_driver,
    changes_what_it_was_asked,
    prints_a_score,
    returns_a_score,
    writes_to_every_descriptor,
    answers_twice,
    answers_for_the_caller,
    speaks_in_surrogates,
    raises_surrogates,
    sends_a_number_beyond_all,
    sends_digits_without_end,
    sends_an_empty_giant,
    sends_endless_dimensions,
    *MODULES,
    replaces_modules,
)
