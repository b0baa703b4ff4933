"""Folders as learning platforms export them; names and archives that mean harm."""

import hashlib
import os
import random
import stat
import subprocess
import sys
import zipfile

import pytest

from courseware.grading.archive import ArchiveError
from courseware.grading.roster import RosterError
from courseware.grading.submissions import SubmissionsError, collect, printable, safe_name

DATA = b'{"cells": []}'


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def put(folder, *names, data=DATA):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (1_000, 1_000))


def pack(path, **files):
    """An archive of files; a name may be given by an entry of its own."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def roster(folder, content):
    path = folder.parent / "roster.csv"
    path.write_text(content, encoding="utf-8-sig")
    return path


def named(folder, *rest):
    return [(each.student, each.name, each.file) for each in collect(folder, *rest)]


def test_files_folders_and_archives_give_one_submission_a_student(folder):
    put(
        folder,
        "ada.ipynb",
        "bob_bottleneck-hand-in (1).ipynb",
        "cy/work/lab.ipynb",
        "cy/data.csv",
        "readme.md",
    )
    put(folder, "dee/.ipynb_checkpoints/x.ipynb", "dee/lab.ipynb", "._fay.ipynb", "__MACOSX/a.ipynb")
    pack(folder / "eve.zip", **{"lab.ipynb": DATA, "__MACOSX/._lab.ipynb": b"x"})
    assert [each[::2] for each in named(folder)] == [
        ("ada", "ada.ipynb"),
        ("bob", "bob_bottleneck-hand-in (1).ipynb"),
        ("cy", "cy/work/lab.ipynb"),
        ("dee", "dee/lab.ipynb"),
        ("eve", "eve.zip/lab.ipynb"),
    ]
    for each in collect(folder):
        assert (each.read(), each.problem, each.notes) == (DATA, "", ())
        assert each.sha256 == hashlib.sha256(DATA).hexdigest()


def test_canvas_names(folder):
    put(folder, "lovelaceada_LATE_42_900_bottleneck-hand-in-2.ipynb", "babbage_7_901_x_y.ipynb")
    pack(folder / "hopper_8_902_my_work.zip", **{"lovelaceada_42_999_x.ipynb": DATA})
    late, babbage, hopper = collect(folder)
    assert (late.student, late.name, late.notes) == ("42", "lovelaceada", ("handed in late",))
    assert (babbage.student, babbage.name) == ("7", "babbage")
    assert (hopper.student, hopper.name) == ("8", "hopper")  # a name inside the archive gives nobody else's


def test_moodle_names(folder):
    put(folder, "Ada Lovelace_321_assignsubmission_file_/x.ipynb", "Bo_4_assignsubmission_file_x.ipynb")
    assert [each[:2] for each in named(folder)] == [("321", "Ada Lovelace"), ("4", "Bo")]


def test_an_archive_of_the_whole_class_is_like_its_folder(folder):
    put(folder / "plain", "Ada L_1_assignsubmission_file_/x.ipynb", "Bo M_2_assignsubmission_file_/x.ipynb")
    expected = [each[:2] for each in named(folder / "plain")]
    (folder / "zipped").mkdir()
    files = {
        str(path.relative_to(folder / "plain")): DATA for path in sorted((folder / "plain").rglob("*.ipynb"))
    }
    for prefix in ("", "export/"):
        pack(folder / "zipped" / "all.zip", **{prefix + name: data for name, data in files.items()})
        assert [each[:2] for each in named(folder / "zipped")] == expected
    pack(folder / "zipped" / "all.zip", **{"ada.zip": b"PK", "bo.ipynb": DATA})
    ada, bo = collect(folder / "zipped")
    assert "archive inside an archive" in ada.problem and (bo.student, bo.problem) == ("bo", "")


def test_of_two_hand_ins_the_newest_counts_and_the_other_is_named(folder):
    put(
        folder,
        "ada_5_20_new.ipynb",
        "ada_5_9_old.ipynb",
        "bo/a.ipynb",
        "bo/b.ipynb",
        "cy/a.ipynb",
        "cy/b.ipynb",
    )
    os.utime(folder / "bo/a.ipynb", (2_000, 2_000))
    os.utime(folder / "ada_5_9_old.ipynb", (9_000, 9_000))  # the platform's number says more than the clock
    ada, bo, cy = collect(folder)
    assert (ada.file, bo.file, cy.file) == ("ada_5_20_new.ipynb", "bo/a.ipynb", "cy/b.ipynb")
    assert ada.notes == ("also handed in, not counted: ada_5_9_old.ipynb",)


def test_links_are_listed_and_not_followed(folder, tmp_path):
    (tmp_path / "secret.ipynb").write_bytes(b"secret")
    (tmp_path / "others").mkdir()
    put(tmp_path / "others", "x.ipynb")
    (folder / "ada.ipynb").symlink_to(tmp_path / "secret.ipynb")
    (folder / "bo").symlink_to(tmp_path / "others")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.ipynb")
    found = {each.student: each for each in collect(folder)}
    assert set(found) == {"ada", "bo", "loop", "pipe"}
    assert all("symbolic link" in found[name].problem for name in ("ada", "bo", "loop"))
    assert found["pipe"].problem == "it is no regular file"
    with pytest.raises(OSError):
        found["ada"].read()


def test_nothing_is_dropped(folder):
    put(
        folder,
        "ada.pdf",
        "bo/notes.txt",
        "cy/a/b/c/d/e/f/lab.ipynb",
        "broken.zip",
        "eve/lab.ipynb",
        "eve/more.zip",
    )
    (folder / "dee").mkdir()
    with (folder / "huge.ipynb").open("wb") as file:
        file.truncate(50_000_001)
    problems = {each.student: each.problem for each in collect(folder)}
    assert "not a notebook" in problems["ada"] and "not a notebook" in problems["bo"]
    assert "nested too deeply" in problems["cy"] and "empty" in problems["dee"]
    assert "damaged" in problems["broken"] and "50 MB" in problems["huge"]
    assert problems["eve"] == ""


NAMES = [
    "new\nline",
    "bell\a",
    "rtl\u202egpj",
    "zero\u200bwidth",
    "back\\slash",
    "a" * 249,
    "..",
    "-rf",
    "ü",
    "日本",
]


def test_names_are_shown_on_one_line_and_tell_students_apart(folder):
    put(folder, *(f"{name}.ipynb" for name in NAMES))
    (folder / os.fsdecode(b"latin\xe9.ipynb")).write_bytes(DATA)
    found = collect(folder)
    assert len({each.student for each in found}) == len(NAMES) + 1
    for each in found:
        assert each.file.isprintable() and each.student.isprintable() and each.file.encode()
        assert each.problem == "" and each.read() == DATA
    assert printable("a\n") != printable("a\\u000a")


def test_safe_names_are_harmless_and_differ_where_identifiers_do():
    names = [*NAMES, "ada", "Ada", "a b", "a-b", "", "/", "../x", "ada/..", "con", "x" * 500]
    names += [safe_name(name) for name in names if safe_name(name) != name]  # nor can one choose another's
    made = [safe_name(name) for name in names]
    assert len(set(made)) == len(names)
    for each in made:
        assert each.isascii() and 0 < len(each) < 80 and each.replace("-", "").replace("_", "").isalnum()
    assert safe_name("12345") == "12345" and safe_name("ada_l-2") == "ada_l-2"


def entry(name, mode=0, **more):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    for key, value in more.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        (entry("../../x.ipynb"), DATA, "out of the archive"),
        (entry("/etc/x.ipynb"), DATA, "out of the archive"),
        (entry("..\\x.ipynb"), DATA, "out of the archive"),
        (entry("x.ipynb", stat.S_IFLNK | 0o777), b"/etc/passwd", "symbolic link"),
        (entry("x.ipynb", compress_type=zipfile.ZIP_LZMA), DATA, "unusual way"),
        (entry("x.ipynb", compress_type=zipfile.ZIP_DEFLATED), b"0" * 2_000_000, "unpack to far more"),
        (entry("x.ipynb", compress_type=zipfile.ZIP_DEFLATED), b"0" * 4_000_001, "4 MB"),
        (entry("x.zip"), DATA, "archive inside"),
        (entry("x.py"), DATA, "not a notebook"),
    ],
)
def test_entries_that_mean_harm_are_told(folder, name, data, says, monkeypatch):
    monkeypatch.setattr("courseware.grading.archive.LARGEST_FILE", 4_000_000)
    with zipfile.ZipFile(folder / "ada.zip", "w") as archive:
        archive.writestr(name, data)
    (ada,) = collect(folder)
    assert ada.student == "ada" and says in ada.problem


def test_archives_that_mean_harm_are_told(folder, monkeypatch):
    monkeypatch.setattr("courseware.grading.archive.LARGEST", 1_000_000)
    pack(folder / "many.zip", **{f"{i}.ipynb": b"" for i in range(101)})
    pack(folder / "large.zip", **{f"{i}.ipynb": b"0" * 400_000 for i in range(3)})
    pack(folder / "none.zip")
    whole = pack(folder / "whole.zip", **{"x.ipynb": os.urandom(5_000)}).read_bytes()
    (folder / "short.zip").write_bytes(whole[:-30])
    changed = bytearray(whole)
    changed[500:600] = b"\0" * 100
    (folder / "whole.zip").write_bytes(changed)
    locked = bytearray(pack(folder / "locked.zip", **{"x.ipynb": DATA}).read_bytes())
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    (folder / "locked.zip").write_bytes(locked)
    problems = {each.student: each.problem for each in collect(folder)}
    assert "more than 100 files" in problems["many"] and "more than 1 MB" in problems["large"]
    assert "no notebook" in problems["none"] and "encrypted" in problems["locked"]
    assert "damaged" in problems["short"] and "damaged" in problems["whole"]


def test_an_archive_whose_list_of_contents_lies_is_read_within_bounds(folder, monkeypatch):
    monkeypatch.setattr("courseware.grading.archive.LARGEST_FILE", 1_000_000)
    path = pack(folder / "ada.zip", **{"x.ipynb": b"0" * 3_000_000})
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\x01\x02") + 24
    data[place : place + 4] = (1_000).to_bytes(4, "little")
    path.write_bytes(data)
    (ada,) = collect(folder)
    try:
        assert len(ada.read()) <= 1_000_001
    except ArchiveError:
        assert ada.problem
    end = data.rindex(b"PK\x05\x06")
    data[end + 12 : end + 16] = (2_000_001).to_bytes(4, "little")
    path.write_bytes(data)
    assert "too many files" in collect(folder)[0].problem


def test_a_damaged_archive_never_ends_the_listing(folder):
    whole = pack(folder / "ada.zip", **{"x.ipynb": DATA * 50, "b/y.ipynb": DATA}).read_bytes()
    put(folder, "bo.ipynb")
    draw = random.Random(1)
    seen = set()
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 6)):
            data[draw.randrange(len(data))] = draw.choice([0, 1, 255, draw.randrange(256)])
        (folder / "ada.zip").write_bytes(data)
        ada, bo = collect(folder)
        assert (bo.student, bo.problem) == ("bo", "")
        seen.add(ada.problem)
    assert len(seen) > 3 and all("\n" not in problem for problem in seen)


CANVAS = """Student,ID,SIS User ID,SIS Login ID,Section,Lab (9)
    Points Possible,,,,,100
"Lovelace, Ada",42,S1,ada.l@x.org,A,
"Ng, Bo",43,S2,bo.ng@x.org,A,
"Student, Test",44,,,A,
"""
MOODLE = """First name,Surname,ID number,Email address
Ada,Lovelace,42,ada.l@x.org
Bo,Ng,43,bo.ng@x.org
"""
PLAIN = "id,name,email\n42,Ada Lovelace,ada.l@x.org\n43,Bo Ng,bo.ng@x.org\n"


@pytest.mark.parametrize("content", [CANVAS, MOODLE, PLAIN, PLAIN.replace(",", ";")])
@pytest.mark.parametrize(
    "file",
    [
        "lovelaceada_42_900_x.ipynb",
        "Ada Lovelace_321_assignsubmission_file_/x.ipynb",
        "42.ipynb",
        "ada.l.ipynb",
        "ADA.L@x.org/x.ipynb",
        "lab-ada.l/x.ipynb",
        "Lovelace, Ada.ipynb",
        "Adá Lovelace.ipynb",
        "42_bottleneck-hand-in.ipynb",
    ],
)
def test_files_find_their_student_in_a_roster(folder, content, file):
    if "_42_900_" in file and "First name" in content:
        pytest.skip("Canvas's numbers are not in Moodle's roster")
    put(folder, file, "Cy_9_assignsubmission_file_/x.ipynb")
    found = {each.student: each for each in collect(folder, roster(folder, content))}
    assert sorted(found) == ["42", "43", "9"]
    assert found["42"].file == file and "Lovelace" in found["42"].name
    assert found["43"].problem == "handed in nothing" and found["9"].notes == ("not in the roster",)


def test_a_platforms_number_is_not_taken_for_another_students(folder):
    put(folder, "Ada Lovelace_43_assignsubmission_file_/x.ipynb", "Cy_43_assignsubmission_file_/x.ipynb")
    found = {each.student: each.file for each in collect(folder, roster(folder, PLAIN))}
    assert found["42"].startswith("Ada") and found["43"] == "" and found["Cy 43"].startswith("Cy")


def test_a_name_that_two_students_share_is_nobodys(folder):
    put(folder, "Ada Lovelace_5_assignsubmission_file_/x.ipynb")
    twins = "id,name\n1,Ada Lovelace\n2,Ada Lovelace\n"
    assert [each[0] for each in named(folder, roster(folder, twins))] == ["1", "2", "5"]


@pytest.mark.parametrize(
    ("content", "says"),
    [("", "no CSV"), ("a,b\n1,2\n", "lists no students"), ("id,name\n1,A\n1,B\n", "lists 1 twice")],
)
def test_a_roster_that_cannot_be_read_is_told(folder, content, says):
    with pytest.raises(RosterError, match=says):
        collect(folder, roster(folder, content))


def test_a_folder_that_is_none_is_told(folder):
    with pytest.raises(SubmissionsError, match="no folder"):
        collect(folder / "missing")


def test_listing_needs_no_pytorch():
    code = (
        "import sys, courseware.grading.submissions, courseware.grading.similarity\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
