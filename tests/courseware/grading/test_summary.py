import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from made_results import MARKUP, POINTS, Group, hostile, made, not_run, other_times

from courseware.grading.books import write_books
from courseware.grading.feedback import address
from courseware.grading.result import Result
from courseware.grading.summary import Bin, distribution, hardest, times

TITLE = "A bottleneck"
SHARES = [(1, 1, 1), (1, 1, 0), (1, 0.5, 0), (0, 0, 0)]


def a_class(size: int) -> list[Result]:
    results = [made(f"s{i:03d}", *SHARES[i % 4], seconds=i % 7) for i in range(size)]
    return [*results, not_run("late"), *hostile()]


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grades")
    groups = [Group(("s001", "s002"), ("Bottleneck",), 0.97), Group(("s003", MARKUP), ("conv_weights",), 1)]
    began = time.process_time()
    write_books(folder, TITLE, POINTS, a_class(300), groups)
    assert time.process_time() - began < 10, "300 students should take a few seconds"
    return folder


def text(path: Path) -> str:
    """A page's text in one line."""
    body = path.read_text(encoding="utf-8").split("<body>")[1]
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_everybody_has_a_page_that_the_overview_links(books: Path) -> None:
    index = (books / "index.html").read_text(encoding="utf-8")
    for result in a_class(300):
        assert (books / address(result.student)).is_file()
        assert f'href="{address(result.student)}"' in index
    for link in re.findall(r'href="([^"]+)"', index):
        assert (books / link).is_file() or link == "results.jsonl"


def test_the_summary_counts_everybody_once(books: Path) -> None:
    summary = text(books / "summary.html")
    assert "307 submissions" in summary and "Graded 305 Not run 2" in summary
    # 75 each of 100, 50, 35 and 0 points; of the hostile ones 0, 0, 100, 65 and 0.
    scores = summary.split("Points (% of all) Students ")[1].split(" Exercises")[0]
    rows = {0: 78, 30: 75, 50: 75, 60: 1, 90: 76}
    wanted = [
        f"{low} to {'100' if low == 90 else f'under {low + 10}'} {rows.get(low, 0)}"
        for low in range(0, 100, 10)
    ]
    assert scores == " ".join(wanted)
    assert "the file is cut short" in summary


def test_the_hardest_exercise_comes_first() -> None:
    results = [made(f"s{i}", *shares) for i, shares in enumerate(SHARES)]
    found = hardest(POINTS, results)
    assert [(each.name, each.passed, each.tried) for each in found] == [
        ("Bottleneck", 1, 4),
        ("grouped_conv", 2, 4),
        ("conv_weights", 3, 4),
    ]
    assert found[1].mean == (30 + 30 + 15 + 0) / 4
    assert found[0].messages == [("look again", 3)]


def test_every_score_and_time_is_in_one_bin() -> None:
    assert [each.number for each in distribution([0, 9.99, 10, 99.9, 100])] == [2, 1, 0, 0, 0, 0, 0, 0, 0, 2]
    assert times([0, 1.9, 2, 9]) == [Bin(0, 2, 2), Bin(2, 4, 1), Bin(4, 6, 0), Bin(6, 8, 0), Bin(8, 10, 1)]
    assert times([]) == []
    for longest in (0.0, 0.8, 16.0, 900.0, 12_345.6):
        bins = times([longest, longest / 2])
        assert sum(each.number for each in bins) == 2 and len(bins) <= 9


def test_plots_have_words_and_a_table(books: Path) -> None:
    summary = (books / "summary.html").read_text(encoding="utf-8")
    alts = re.findall(r'<img src="data:image/svg\+xml;base64,[^"]+" alt="([^"]+)"', summary)
    assert len(alts) == 3 and summary.count("<figure>") == 3
    assert alts[0].startswith(
        "Histogram of 305 scores in tenths of the points: the most, 78, lie between 0 and 10"
    )
    assert "from Bottleneck with 25 % to conv_weights with" in alts[1]
    assert summary.count("<table>") == 4


def test_answers_are_all_there_and_in_order(books: Path) -> None:
    answers = (books / "answers.html").read_text(encoding="utf-8")
    assert answers.count("<blockquote") == 305
    places = [answers.index(f'href="{address(f"s{i:03d}")}"') for i in range(300)]
    assert places == sorted(places)
    assert "Without an answer" in text(books / "answers.html")


def test_equal_work_is_named_the_most_equal_first(books: Path) -> None:
    equal = text(books / "equal.html")
    assert equal.index("100 % equal") < equal.index("97 % equal")
    assert "S001 ( s001 )" in equal and "no proof" in equal


def test_no_page_lets_text_become_markup(books: Path) -> None:
    for path in books.rglob("*.html"):
        source = path.read_text(encoding="utf-8")
        assert "<script" not in source and "<img src=x" not in source and ">49<" not in source
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b]", source)


def test_a_class_that_could_not_be_run_has_a_summary(tmp_path: Path) -> None:
    write_books(tmp_path, TITLE, POINTS, [not_run("ada")])
    assert "Graded 0 Not run 1" in text(tmp_path / "summary.html")
    write_books(tmp_path, TITLE, {}, [])
    assert "0 students" in text(tmp_path / "index.html")


def test_grading_twice_gives_the_same_bytes_but_for_times(tmp_path: Path) -> None:
    first = [*a_class(8), made("tim", figures=())]
    second = [other_times(result) for result in reversed(first)]
    for name, results in (("one", first), ("two", second)):
        write_books(tmp_path / name, TITLE, POINTS, results, [Group(("s001", "s002"), ("Bottleneck",), 0.97)])
    names = sorted(
        path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()
    )
    assert len(names) == 4 + 3 + len(first)
    differ = 0
    for name in names:
        one, two = ((tmp_path / side / name).read_bytes().decode() for side in ("one", "two"))
        differ += one != two
        assert masked(one) == masked(two), name
    assert differ == 1 + len(first), "only the summary and the students' pages show times"


def masked(page: str) -> str:
    return re.sub(r'<(\w+) class="time">.*?</\1>', "", page, flags=re.DOTALL)


def test_writing_the_books_needs_no_torch() -> None:
    program = (
        "import sys; from courseware.grading import books, figures;"
        "figures._style(); print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
