import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from made_results import TURNED, made, not_run

from courseware.grading.result import Result
from courseware.grading.store import Store, StoreError


def open_store(folder: Path, stamp: str = "one") -> Store:
    return Store(folder, "bottleneck", stamp)


def students(results: list[Result]) -> list[str]:
    return [result.student for result in results]


def test_what_was_added_is_found_by_the_next_grader(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        assert store.find(made()) is None
        for result in (made("eve", 0, 0, 0, message=TURNED), made("ada", 1, 0.5, 0), not_run("bob")):
            store.add(result)
    with open_store(tmp_path) as store:
        assert store.find(made()) == made("ada", 1, 0.5, 0)
        assert students(store.results()) == ["ada", "bob", "eve"]
        assert students(store.results({"bob", "zoe"})) == ["bob"]


def test_a_new_file_or_another_stamp_is_graded_anew_and_the_old_result_stays_until_then(
    tmp_path: Path,
) -> None:
    changed = made("ada", sha256="cd" * 32)
    with open_store(tmp_path) as store:
        store.add(made("ada", 0, 0, 0))
        store.add(made("bob"))
    with open_store(tmp_path) as store:
        assert store.find(changed) is None
        assert store.find(made("bob")) == made("bob")
        assert students(store.results()) == ["bob"], "a grade of another file must not be shown"
        store.finish()
    with open_store(tmp_path) as store:
        assert store.find(made("ada")), "it was lost before its successor was there"
        store.find(changed)
        store.add(changed)
        assert store.results() == [changed, made("bob")]
    with open_store(tmp_path, stamp="two") as store:
        assert store.find(changed) is None
        assert store.results() == []
    with open_store(tmp_path, stamp="one") as store:
        assert store.results() == [changed, made("bob")]


def test_a_renamed_file_is_not_graded_anew(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.add(made())
        moved = replace(made(), name="Ada Lovelace", file="late/ada.ipynb")
        assert store.find(moved) == moved
        assert store.results() == [moved]


def test_a_crash_at_any_byte_costs_the_last_result_at_most(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.add(made("ada"))
        first = store.path.stat().st_size
        store.add(made("bob"))
    content = store.path.read_bytes()
    for length in {first, first + 1, first + 40, len(content) // 2 + first // 2, len(content) - 1}:
        store.path.write_bytes(content[:length])
        with open_store(tmp_path) as again:
            assert students(again.results()) == ["ada"]
            again.add(made("cat"))
        with open_store(tmp_path) as again:
            assert students(again.results()) == ["ada", "cat"], f"cut at byte {length}"


def test_an_append_that_fails_leaves_nothing_for_the_next_to_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(tmp_path) as store:
        store.add(made("ada"))
        with monkeypatch.context() as patch:
            patch.setattr(
                os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device"))
            )
            with pytest.raises(OSError, match="No space"):
                store.add(made("bob"))
        store.add(made("cat"))
    with open_store(tmp_path) as store:
        assert students(store.results()) == ["ada", "cat"]


def test_the_finished_file_has_one_line_a_student_in_order(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        for result in (made("zoe"), made("ada", 0, 0, 0), made("ada")):
            store.add(result)
        assert len(store.path.read_bytes().splitlines()) == 3
        store.finish()
        store.add(made("bob"))
        store.finish()
    lines = [json.loads(line) for line in store.path.read_text().splitlines()]
    assert [line["student"] for line in lines] == ["ada", "bob", "zoe"]
    assert [exercise["points"] for exercise in lines[0]["exercises"]] == [20, 30, 50]


def test_two_graders_on_one_folder_refuse(tmp_path: Path) -> None:
    with open_store(tmp_path), pytest.raises(StoreError, match="in use by another grader") as refusal:
        open_store(tmp_path)
    assert "\n" not in str(refusal.value)
    open_store(tmp_path).close()


def test_results_of_another_lab_are_not_overwritten(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.add(made())
        with pytest.raises(ValueError, match="attention"):
            store.add(made("bob", lab="attention"))
    with pytest.raises(StoreError, match="choose another folder"):
        Store(tmp_path, "attention", "one")
    open_store(tmp_path).close()


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        for name in ("ada", "bob", "cat"):
            store.add(made(name))
    lines = store.path.read_bytes().splitlines(keepends=True)
    for damaged in (b"\n", b"[]\n", b"{}\n", b'{"stamp": "one"}\n', lines[1].replace(b"20.0", b"2000", 1)):
        store.path.write_bytes(lines[0] + damaged + lines[2])
        with pytest.raises(StoreError, match="line 2 is damaged"):
            open_store(tmp_path)


def test_a_result_that_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        with pytest.raises(ValueError):
            store.add(made("ada", float("nan"), 0, 0))
        assert not store.path.exists()
