import csv
import io
from pathlib import Path

import pytest
from made_results import MARKUP, POINTS, hostile, made, not_run

from courseware.grading.gradebook import harmless, write_gradebooks
from courseware.grading.result import Result

TITLE = "A bottleneck"


def written(folder: Path, results: list[Result], name: str) -> list[list[str]]:
    write_gradebooks(folder, TITLE, POINTS, results)
    return list(csv.reader(io.StringIO((folder / name).read_bytes().decode(), newline="")))


def test_the_plain_gradebook_has_a_row_a_student_and_a_column_an_exercise(tmp_path: Path) -> None:
    results = [made("ada", 1, 1 / 3, 0.111), not_run("bob", notes=("two files", "the newest counts"))]
    assert written(tmp_path, results, "gradebook.csv") == [
        ["student", "name", *POINTS, "total", "status", "reason", "notes"],
        ["ada", "Ada", "20", "10", "5.55", "35.55", "graded", "", ""],
        ["bob", "Bob", "", "", "", "", "not run", "the file is cut short", "two files. the newest counts"],
    ]


def test_canvas_finds_its_columns_where_its_importer_looks(tmp_path: Path) -> None:
    """Its source, `lib/gradebook_importer.rb`: what `Section` ends are students, the rest assignments."""
    header, possible, *rows = written(tmp_path, [made("12345"), not_run("bob")], "gradebook-canvas.csv")
    assert "Student" in header[0] and "ID" in header[1]
    assert header[2:4] == ["SIS User ID", "SIS Login ID"]
    assert header.index("Section") == 4
    assert header[5:] == ["ConvBook: A bottleneck"], "each further column would become an assignment"
    assert "Points Possible" in possible[0] and possible[5] == "100"
    assert rows == [["12345", "12345", "12345", "12345", "", "100"], ["Bob", "", "bob", "bob", "", ""]]


def test_no_name_passes_for_the_row_that_sets_the_points_possible(tmp_path: Path) -> None:
    rows = written(tmp_path, hostile(), "gradebook-canvas.csv")
    assert [number for number, row in enumerate(rows) if "Points Possible" in row[0]] == [1]


def test_moodle_gets_a_student_in_every_row_and_a_hyphen_for_no_grade(tmp_path: Path) -> None:
    """Its source: a row without one is given to the student before, and an empty new grade becomes 0."""
    results = [made("ada@example.org", 0, 0, 0), not_run("bob@example.org"), not_run("\x00")]
    header, *rows = written(tmp_path, results, "gradebook-moodle.csv")
    assert header[:3] == ["Student", "Full name", "ConvBook: A bottleneck"]
    assert [row[2] for row in rows] == ["0", "-", "-"]
    assert [row[0] for row in rows] == ["ada@example.org", "bob@example.org", "unknown"]


@pytest.mark.parametrize("name", ["gradebook.csv", "gradebook-canvas.csv", "gradebook-moodle.csv"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_no_spreadsheet_finds_a_formula_whatever_it_takes_for_a_separator(
    tmp_path: Path, name: str, delimiter: str
) -> None:
    write_gradebooks(tmp_path, TITLE, POINTS, hostile())
    text = (tmp_path / name).read_bytes().decode()
    assert not set(text) & set("\t\r\x00")
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    assert len(rows) >= len(hostile()) + 1
    for cell in (cell for row in rows for cell in row if cell != "-"):
        assert not cell.strip(" \"'").startswith(tuple("=+@＝＋－＠")) or cell.startswith("'"), cell
        assert not cell.startswith("-")


@pytest.mark.parametrize("text", ["Zoë Öztürk", "O'Neil, Ann-Marie", "محمد علي", "ada@example.org", MARKUP])
def test_ordinary_names_stay_as_they_are(text: str) -> None:
    assert harmless(text) == text


def test_a_gradebook_of_nobody_is_still_one(tmp_path: Path) -> None:
    assert len(written(tmp_path, [], "gradebook.csv")) == 1
    assert len(written(tmp_path, [], "gradebook-canvas.csv")) == 2
