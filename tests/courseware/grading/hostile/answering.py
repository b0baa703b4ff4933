"""Answers that are attacks: not numbers, no end of numbers, objects that do something when looked at."""


def is_not_a_number(x, weight, groups):
    """A tensor of the right shape, all NaN."""
    import torch

    return torch.full((x.shape[0], weight.shape[0], *x.shape[2:]), float("nan"))


def is_infinite(x, weight, groups):
    """A tensor of the right shape, all infinite."""
    import torch

    return torch.full((x.shape[0], weight.shape[0], *x.shape[2:]), float("inf"))


def is_nan_where_an_integer_belongs(*args):
    """A NaN for a number of weights."""
    return float("nan")


def is_a_float(channels_in, channels_out, kernel_size, groups=1):
    """The right number, but a float."""
    return float(channels_in // groups * channels_out * kernel_size**2)


def is_true(*args):
    """True, which Python counts as 1."""
    return True


def is_enormous(*args):
    """An integer of a million digits."""
    return 10**1_000_000


def is_a_tensor_of_petabytes(x, weight, groups):
    """A tensor that takes no memory until it is copied: one number, repeated 2**50 times."""
    return x.flatten()[:1].expand(2**50)


def is_a_gigabyte(x, weight, groups):
    """A tensor of 1 GB."""
    import torch

    return torch.zeros(2**28)


def is_text_without_end(*args):
    """200 MB of text."""
    return "1" * 200_000_000


def is_endless(*args):
    """A generator that never ends."""
    import itertools

    return itertools.count()


def contains_itself(*args):
    """A list within itself."""
    inner = []
    inner.append(inner)
    return inner


def is_nested_deeply(*args):
    """Tuples within tuples, a million deep."""
    inner = ()
    for _ in range(1_000_000):
        inner = (inner,)
    return inner


def is_an_array_of_objects(x, weight, groups):
    """An array of numpy that holds objects, which only pickle could carry."""
    import numpy

    return numpy.array([object(), print, {}], dtype=object)


def is_of_the_wrong_type(x, weight, groups):
    """Complex numbers of the right shape."""
    import torch

    return torch.ones((x.shape[0], weight.shape[0], *x.shape[2:]), dtype=torch.complex128)


def is_nowhere(x, weight, groups):
    """A tensor without numbers: on the device `meta`."""
    import torch

    return torch.empty((x.shape[0], weight.shape[0], *x.shape[2:]), device="meta")


def is_sparse(x, weight, groups):
    """A sparse tensor whose indices lie outside of it."""
    import torch

    shape = (x.shape[0], weight.shape[0], *x.shape[2:])
    return torch.sparse_coo_tensor(torch.full((4, 1), 2**40), torch.ones(1), shape, check_invariants=False)


def points_into_the_void(x, weight, groups):
    """A tensor whose numbers lie where no memory is."""
    import torch

    shape = (x.shape[0], weight.shape[0], *x.shape[2:])
    return torch.as_strided(torch.zeros(1), shape, (2**40,) * 4)


def is_equal_to_everything(*args):
    """An integer whose comparisons always agree."""

    class Agreeable(int):
        __hash__ = int.__hash__
        __eq__ = __le__ = __ge__ = lambda self, other: True
        __ne__ = __lt__ = __gt__ = lambda self, other: False
        __sub__ = __rsub__ = __abs__ = lambda *a: 0
        __int__ = __index__ = __float__ = __bool__ = lambda self: True

    return Agreeable(1)


def is_a_tensor_of_its_own_kind(x, weight, groups):
    """A subclass of Tensor that answers every question about itself."""
    import torch

    class Agreeable(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            return True

        shape = property(lambda self: (x.shape[0], weight.shape[0], *x.shape[2:]))

    return torch.zeros(1).as_subclass(Agreeable)


def is_whatever_is_asked(*args):
    """An object that pretends to every class, has every attribute, and is every array."""

    class Everything:
        __class__ = property(lambda self: int)
        __array__ = __array_interface__ = __index__ = __len__ = __iter__ = lambda self, *a: 1 / 0
        __getattr__ = lambda self, name: self  # noqa: E731
        __call__ = lambda self, *a, **k: self  # noqa: E731
        __eq__ = lambda self, other: True  # noqa: E731
        __hash__ = lambda self: 0  # noqa: E731
        __repr__ = __str__ = lambda self: "x" * 10**9

    return Everything()


def loads_as_a_program(*args):
    """An object that would start a program where it is unpickled, and writes its trace into /tmp."""

    class Program:
        def __reduce__(self):
            import os

            return os.system, ("touch /tmp/convbook-unpickled",)

    return Program()


def is_pickled(*args):
    """The same, pickled already."""
    return b"cos\nsystem\n(S'touch /tmp/convbook-unpickled'\ntR."


def hangs_when_looked_at(*args):
    """An object that never ends being turned into anything."""
    import time

    class Slow(dict):
        def __iter__(self):
            time.sleep(10_000)

        items = keys = values = __len__ = __repr__ = __iter__

    return Slow(a=1)


def fights_its_end(*args):
    """An object that raises, and exits, when it is freed."""
    import os

    class Sticky:
        def __del__(self):
            os._exit(0)

    return [Sticky() for _ in range(3)]


def is_a_module_of_lies(*args):
    """A module that lies about its layers, its weights and its class, and is no block."""
    from torch import nn

    class Liar(nn.Module):
        def forward(self, x):
            return x.relu()

        def modules(self):
            return iter([self, *[nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)] * 2])

        def named_modules(self, *a, **k):
            return iter([(str(n), each) for n, each in enumerate(self.modules())])

        def load_state_dict(self, *a, **k):
            return True

        def parameters(self, recurse=True):
            return iter(())

    return Liar()


def is_a_module_that_runs_elsewhere(*args):
    """A module whose call never comes back, by a hook."""
    from torch import nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_forward_pre_hook(self.wait)

        def wait(self, *a):
            while True:
                pass

        def forward(self, x):
            return x

    return Block()


def is_a_module_of_everything(*args):
    """A module with ten thousand layers, so that no assignment of them to the right ones ends."""
    from torch import nn

    return nn.Sequential(*[nn.Conv2d(args[0], args[0], 3, padding=1, bias=False) for _ in range(10_000)])


# What is asked to return a tensor or a module; the others stand for a function that returns a number.
TENSORS = (
    is_not_a_number,
    is_infinite,
    is_a_tensor_of_petabytes,
    is_a_gigabyte,
    is_an_array_of_objects,
    is_of_the_wrong_type,
    is_nowhere,
    is_sparse,
    points_into_the_void,
    is_a_tensor_of_its_own_kind,
)
MODULES = (is_a_module_of_lies, is_a_module_that_runs_elsewhere, is_a_module_of_everything)
ATTACKS = (
    is_nan_where_an_integer_belongs,
    is_a_float,
    is_true,
    is_enormous,
    is_text_without_end,
    is_endless,
    contains_itself,
    is_nested_deeply,
    is_equal_to_everything,
    is_whatever_is_asked,
    loads_as_a_program,
    is_pickled,
    hangs_when_looked_at,
    fights_its_end,
    *TENSORS,
    *MODULES,
)
