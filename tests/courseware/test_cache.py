"""The key changes with everything that could change an output, and with nothing else."""

import os
import sys
import time

import pytest

from courseware import cache


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "src" / "convbook"
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "resnet.py").write_text("WIDTH = 64\n")
    (folder / "claims.toml").write_text("value = 1\n")
    (tmp_path / "requirements.lock").write_text("torch==2.15\n")
    return folder


def test_environment_changes_with_any_file_of_the_package_and_with_the_lock(package):
    root = package.parents[1]
    seen = {cache.environment(package, root)}
    for path in (package / "models" / "resnet.py", package / "claims.toml", root / "requirements.lock"):
        path.write_text(path.read_text() + "# changed\n")
        seen.add(cache.environment(package, root))
    (package / "models" / "resnet.py").rename(package / "models" / "plain.py")
    seen.add(cache.environment(package, root))
    assert len(seen) == 5


def test_environment_ignores_compiled_files_and_where_the_package_lies(package, tmp_path):
    before = cache.environment(package, tmp_path)
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "x.pyc").write_bytes(b"1")
    assert cache.environment(package, tmp_path) == before
    moved = package.rename(tmp_path / "elsewhere")
    assert cache.environment(moved, tmp_path) == before


def test_environment_changes_with_the_data_folder_and_python(package, tmp_path, monkeypatch):
    monkeypatch.delenv("CONVBOOK_DATA", raising=False)
    before = cache.environment(package, tmp_path)
    data = tmp_path / "data"
    data.mkdir()
    (data / "mnist.npz").write_bytes(b"123")
    monkeypatch.setenv("CONVBOOK_DATA", str(data))
    assert cache.environment(package, tmp_path) != before
    monkeypatch.delenv("CONVBOOK_DATA")
    monkeypatch.setattr(
        cache.sys, "version_info", type("V", (), {"major": 3, "minor": sys.version_info.minor + 1})
    )
    assert cache.environment(package, tmp_path) != before


def test_key_ignores_what_running_leaves_behind(make_notebook):
    source = make_notebook("x = 1")
    ran = make_notebook("x = 1")
    ran["cells"][0] |= {"execution_count": 3, "outputs": [{"output_type": "stream", "text": "1"}]}
    ran["cells"][0]["metadata"] = {"papermill": {"duration": 1}, "execution": {"iopub": "now"}}
    ran["metadata"] |= {"papermill": {"path": "/home"}, "language_info": {"version": "3.12.1"}}
    assert cache.key(ran, {}, "e") == cache.key(source, {}, "e")


def test_key_changes_with_source_tags_order_parameters_and_environment(make_notebook):
    keys = {
        cache.key(make_notebook("x = 1", "y = 2"), {}, "e"),
        cache.key(make_notebook("x = 1", "y = 3"), {}, "e"),
        cache.key(make_notebook("y = 2", "x = 1"), {}, "e"),
        cache.key(make_notebook(("x = 1", "check"), "y = 2"), {}, "e"),
        cache.key(make_notebook("x = 1", "y = 2"), {"n": 1}, "e"),
        cache.key(make_notebook("x = 1", "y = 2"), {"n": "1"}, "e"),
        cache.key(make_notebook("x = 1", "y = 2"), {}, "f"),
    }
    assert len(keys) == 7


def test_prune_deletes_only_copies_that_nobody_asked_for(tmp_path):
    old, new, other = tmp_path / "old.ipynb", tmp_path / "new.ipynb", tmp_path / "old.txt"
    for path in (old, new, other):
        path.write_text("x")
    for path in (old, other):
        os.utime(path, (time.time() - 40 * 86400,) * 2)
    cache.prune(tmp_path, keep_days=30)
    assert not old.exists() and new.exists() and other.exists()
