"""What one exercise needs is found by name, whatever an editor or a student did to the notebook."""

import contextlib
import math

import pytest

from convbook.lab.magics import understand
from convbook.lab.program import ProgramError, program_for


def call(cells, name, *args, provided=()):
    """The program's own cells, executed in order, then the function called."""
    space: dict = {}
    for cell in program_for(cells, name, provided).cells:
        exec(compile(cell, "cell", "exec"), space)
    return space[name](*args)


def error(cells, name="f", provided=()):
    with pytest.raises(ProgramError) as caught:
        program_for(cells, name, provided)
    return str(caught.value)


def test_only_what_the_exercise_uses_is_taken():
    cells = [
        "import math, os",
        "import json",
        "def other():\n    return json",
        "print('loud')\nradius = 2  # of the circle",
        "def square(x):\n    return x * x",
        "def area():\n    return math.pi * square(radius)",
        "area()",
    ]
    assert program_for(cells, "area").cells == (
        "import math, os",
        "radius = 2  # of the circle",
        "def square(x):\n    return x * x",
        "def area():\n    return math.pi * square(radius)",
    )
    assert call(cells, "area") == pytest.approx(4 * math.pi)


def test_order_of_cells_does_not_matter():
    cells = ["class B(A):\n    size = A.size + c", "c = k + 1", "def f():\n    return B.size", "k = 1"]
    for base in (["class A:\n    size = 5", *cells], [*cells, "class A:\n    size = 5"]):
        assert call(base, "f") == 7
        assert call(base[::-1], "f") == 7


def test_calls_and_monkeypatching_at_the_top_are_left_out():
    cells = [
        "import torch",
        "torch.equal = lambda *a: True; x = 1; torch.manual_seed(0)",
        "def f():\n    return torch, x",
    ]
    assert program_for(cells, "f").cells == ("import torch", "x = 1", cells[2])


def test_the_newest_definition_wins_but_never_the_untouched_stub():
    stub = "def f(x):\n    '''What it does.'''\n    # your code here\n    raise NotImplementedError"
    assert call(["def f(x):\n    return 1", "def f(x):\n    return 2"], "f", 0) == 2
    assert call(["def f(x):\n    return 1", stub], "f", 0) == 1
    assert error([stub, "def g():\n    return f(1)"]) == "not written yet"
    assert error(["def f(x):\n    pass"]) == error(["def f(x):\n    ..."]) == "not written yet"


def test_a_stub_is_known_by_the_released_lab_whatever_its_comments():
    stub = (
        "class Block(Base):\n    def __init__(self):\n        self.n = 3\n        raise NotImplementedError"
    )
    touched = stub.replace("        raise", "        # hmm\n        raise")
    assert error([touched], "Block", [stub]) == "not written yet"
    both = (
        "class B(M):\n    def __init__(self):\n        super().__init__()\n        raise NotImplementedError"
    )
    assert (
        error([both + "\n\n    def forward(self, x):\n        raise NotImplementedError"], "B")
        == "not written yet"
    )


def test_an_exercise_that_leans_on_one_not_written_still_gets_its_stub():
    with pytest.raises(NotImplementedError):
        call(["def f():\n    return g()", "def g():\n    raise NotImplementedError"], "f")


@pytest.mark.parametrize(
    "cell",
    [
        "f = lambda: 5",
        "five = 5\ndef make():\n    def inner():\n        return five\n    return inner\nf = make()",
        "f, g = (lambda: 5), 6",
        "from math import comb as f0\ndef f():\n    return f0(5, 1)",
        "try:\n    import nothing_like_it as n\nexcept ImportError:\n    n = 5\ndef f():\n    return n",
        "n: int = 4\nn += 1\ndef f():\n    return n",
        "for n in range(6):\n    pass\ndef f():\n    return n",
        "table = {}\ntable['n'] = 5\ndef f():\n    return table['n']",
        "def wrap(g):\n    return lambda: g() + 1\n@wrap\ndef f():\n    return 4",
        "def f():\n    return 4\nold = f\ndef f():\n    return old() + 1",
        "class C:\n    def run(self):\n        raise NotImplementedError\ndef run(self):\n    return 5\n"
        "C.run = run\ndef f():\n    return C().run()",
        "c = 5\ndef f(k=c):\n    return k + c - c\nprint(c)\nc = 8",
        "from math import *\ndef f():\n    return comb(5, 1)",
        "def f():\n    return [y for y in [5] if (z := y)][0]",
        "def even(n):\n    return n == 0 or odd(n - 1)\ndef odd(n):\n    return n != 0 and even(n - 1)\n"
        "def f():\n    return 5 * even(4)",
    ],
)
def test_every_way_to_define_a_function(cell):
    assert call([cell], "f") == 5


def test_an_early_value_that_a_default_keeps_is_kept():
    assert call(["c = 5", "def f(k=c):\n    return k, c", "c = 8"], "f") == (5, 8)


def test_arguments_and_local_names_are_no_dependencies():
    cells = ["x = 1", "w = 2", "i = 3", "def f(x):\n    w = x\n    return [i for i in range(w)]"]
    assert program_for(cells, "f").cells == (cells[3],)


def test_what_a_student_deleted_comes_from_the_lab_and_then_from_the_usual_imports():
    provided = [
        "from statistics import mean as middle",
        "size = 9",
        "def f(x):\n    raise NotImplementedError",
    ]
    assert call(["def f(x):\n    return middle(x) + size"], "f", [1, 3], provided=provided) == 11
    assert call(["size = 1", "def f(x):\n    return middle(x) + size"], "f", [1, 3], provided=provided) == 3
    assert call(["def f(x):\n    return math.floor(x)"], "f", 2.5) == 2
    assert error([], provided=provided) == "no cell defines f"


@pytest.mark.parametrize(
    "cell",
    [
        "%matplotlib inline\n!pip install 'x\ndef f():\n    return 5",
        "%%time\ndef f():\n    return 5",
        "\n%%capture out\n%pip install x\ndef f():\n    return 5",
        "files = !ls\ntime = %timeit -o f()\n?print\nprint??\ndef f():\n    return 5",
        "import sys\nif 'google.colab' in sys.modules:\n    %pip install \\\n       x\n"
        "def f():\n    return 5",
        "!ls\ndef f():\n    '''\n%kept\n!kept'''\n    return (12\n% 7)",
    ],
)
def test_commands_of_the_notebook_do_not_matter(cell):
    assert call([cell], "f") == 5


def test_commands_are_told_from_text_that_looks_like_them():
    text = 's = """\n!important\n%d items\n"""\n'
    assert understand(text).text == text
    assert understand(text + "!ls").text == text + "pass"
    assert understand("%%bash\nf = 1").text == ""


def test_a_cell_that_is_not_python_is_told_only_where_it_is_wanted():
    broken = "x = 1\ndef f(x):\n    return (x"
    assert error([broken]) == "the cell that defines f is not valid Python (line 3: '(' was never closed)"
    assert call([broken, "def g():\n    return 5"], "g") == 5
    assert call(["def f(x):\n    return 5", broken], "f", 0) == 5
    assert error([broken, "def g():\n    return f(1)"], "g").startswith("the cell that defines f")
    assert "defines f" in error(["def f(:", "def f():\n    raise NotImplementedError"])
    assert call(["def len(:", "def f():\n    return len('abcde')"], "f") == 5


DEEP = {
    "brackets": "(" * 5000,
    "minus": "-" * 100_000 + "1",
    "attributes": "a" + ".b" * 50_000,
    "sum": "1" + "+1" * 900,
    "long sum": "1" + "+1" * 90_000,
    "lambda": "lambda: " * 20_000 + "0",
    "null": "'\0'",
    "surrogate": "'\ud800'",
    "digits": "9" * 100_000,
    "endless": "0" + "\n" * 200_001,
    "commands": "0" + "\n!ls" * 60_000,
}


@pytest.mark.parametrize("kind", list(DEEP))
def test_hostile_source_harms_only_the_exercise_it_stands_in(kind):
    cell = "g = " + DEEP[kind]
    assert call([cell, "def f():\n    return 5"], "f") == 5
    with contextlib.suppress(ProgramError):
        program_for([cell, "def f():\n    return g"], "f")
    with contextlib.suppress(ProgramError):
        program_for([f"{cell}\ndef f():\n    return g"], "f")


def test_a_thousand_definitions_are_too_many():
    chain = "\n".join(f"def f{i}():\n    return f{i + 1}()" for i in range(1000))
    assert error([chain], "f0") == "f0 needs more than 300 other definitions"


def test_names_tell_what_the_code_reaches_for_and_not_what_it_calls_its_own():
    cells = [
        "import torch\nfrom torch.nn import functional as F",
        "from torch import conv2d as c",
        "def mean(x):\n    total = x.sum()\n    return total / len(x)",
        "def f(x):\n    match x:\n        case object(secret=v):\n            pass\n"
        "    return mean(x), c, F.relu(x), getattr",
    ]
    names = program_for(cells, "f", provided=cells[:1]).names
    assert {"conv2d", "sum", "len", "secret", "relu", "getattr", "F", "object"} <= names
    assert not {"mean", "total", "x", "v", "c", "functional", "f"} & names


def test_future_imports_reach_every_cell():
    assert (
        call(["from __future__ import annotations", "def f(x: Unknown) -> 'Tensor':\n    return 5"], "f", 1)
        == 5
    )
