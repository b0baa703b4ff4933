"""Copied work is found through renaming and reformatting; work that many would write is not."""

import json
import random
import textwrap
import time
from pathlib import Path

from courseware.grading.similarity import find_equal, fingerprints

LONG = '''
def work(x, groups):
    """Sum."""
    total = 0
    for part in x.chunk(groups, dim=1):
        scaled = part * 3 - part.mean(dim=0, keepdim=True)
        total = total + (scaled ** 2).sum() / len(part)
    while total > 100:
        total = total / 2 + helper(total, limit=7)
    return [total * each for each in range(groups) if each % 2]
'''
COPIED = """
def work(images: "Tensor", g: int) -> list:
    # my own idea
    s = 0
    for p in images.chunk(g, dim=1):
        q = (
            p * 3
            - p.mean(dim=0, keepdim=True)
        )
        s = s + (q**2).sum() / len(p)
    while s > 100:
        s = s / 2 + helper(s, limit=7)
    return [s * k for k in range(g) if k % 2]
"""
SHORT = "def short(x):\n    return x + 1\n"


def made(seed):
    """A function that nobody else would write."""
    draw = random.Random(seed)
    lines = []
    for _ in range(12):
        a, b, c = (draw.choice("xyz") for _ in range(3))
        call = draw.choice([f"{b}.sum({draw.randint(0, 9)})", f"f{draw.randint(0, 9)}({b})", f"-{b}"])
        lines.append(f"{a} = {call} {draw.choice('+-*/')} {c}")
    return "def work(x, y, z):\n" + textwrap.indent("\n".join(lines), "    ") + "\n    return x\n"


def groups(sources, provided=(), exercises=("work", "short")):
    prints = {name: fingerprints([source], exercises) for name, source in sources.items()}
    return find_equal(prints, fingerprints(provided, exercises))


def test_renaming_comments_annotations_and_layout_hide_nothing():
    assert fingerprints([LONG], ["work"]) == fingerprints([COPIED], ["work"])
    assert fingerprints([LONG], ["work"]) != fingerprints([LONG.replace("* 3", "* 4")], ["work"])
    assert fingerprints([LONG], ["work"]) != fingerprints([LONG.replace("mean", "amax")], ["work"])


def test_a_renamed_copy_is_found_among_others():
    sources = {f"s{i}": made(i) + SHORT for i in range(20)} | {"ada": LONG + SHORT, "bo": COPIED + SHORT}
    (group,) = groups(sources)
    assert (group.students, group.exercises, group.degree) == (("ada", "bo"), ("work",), 1.0)


def test_a_copy_with_a_line_changed_is_found_with_a_lower_degree():
    source = made(99)
    changed = source.replace("    return x", "    return x * 2")
    (group,) = groups({f"s{i}": made(i) for i in range(20)} | {"ada": source, "bo": changed})
    assert group.students == ("ada", "bo") and 0.8 <= group.degree < 1


def test_two_copies_in_a_class_of_three_are_found_and_three_alike_are_a_group():
    sources = {"ada": made(1), "bo": made(1), "cy": made(2)}
    assert [group.students for group in groups(sources)] == [("ada", "bo")]
    sources = {f"s{i:02}": made(i) for i in range(20)} | {"x": made(5), "y": made(5)}
    assert [group.students for group in groups(sources)] == [("s05", "x", "y")]


def test_short_answers_and_what_most_found_say_nothing():
    assert groups({f"s{i}": made(i) + SHORT for i in range(10)}) == []
    assert groups({f"s{i}": LONG + SHORT for i in range(10)}) == []
    assert groups({f"s{i}": LONG if i % 2 else COPIED.replace("dim=1", "1") for i in range(10)}) == []


def test_what_the_lab_gave_says_nothing():
    sources = {f"s{i}": made(i) for i in range(10)} | {"ada": LONG, "bo": LONG}
    assert len(groups(sources)) == 1 and groups(sources, [LONG]) == []


def test_solutions_of_a_few_usual_kinds_are_no_reason_to_ask():
    draw = random.Random(1)
    names = [f"e{i}" for i in range(6)]
    kinds = {name: [made(f"{name} {kind}").replace("work", name) for kind in range(4)] for name in names}
    sources = {f"s{i:03}": "\n".join(draw.choice(kinds[name]) for name in names) for i in range(40)}
    sources["copy"] = sources["s000"] = "\n".join(made(f"own {name}").replace("work", name) for name in names)
    assert [group.students for group in groups(sources, (), names)] == [("copy", "s000")]


def test_cells_that_are_not_python_or_nested_deeply_are_passed_over():
    bad = ["def work(:", "def work(x):\n    return " + "-" * 50_000 + "x", "def work(x):\n    '\ud800'", "\0"]
    for source in bad:
        assert fingerprints([source], ["work"]) == {}
    assert find_equal({}) == find_equal({"ada": {}}) == []


def test_the_same_class_in_another_order_gives_the_same_groups():
    sources = {f"s{i}": made(i % 15) for i in range(20)}
    backwards = dict(reversed(sources.items()))
    assert groups(sources) == groups(backwards) != []


def test_a_hundred_submissions_take_a_second_or_two():
    notebook = json.loads((Path(__file__).parents[3] / "labs" / "bottleneck.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names = [
        "grouped_conv",
        "ResidualBlock",
        "Bottleneck",
        "AggregatedBottleneck",
        *(f"e{i}" for i in range(4)),
    ]
    began = time.process_time()
    prints = {}
    for i in range(100):
        own = [made(f"{i} {name}").replace("work", name) for name in names[4:]]
        prints[f"s{i}"] = fingerprints([*cells, *own], names)
    assert find_equal(prints) == []
    assert time.process_time() - began < 3
