"""Checkpoints: whole or not there, found out when damaged, never mistaken for another run's."""

import errno
import hashlib
import os
import re
import resource
import signal
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convbook.training import checkpoint
from convbook.training.checkpoint import CheckpointError, Checkpoints, colab_folder

RUN = {"model": "Sequential", "recipe": {"lr": 0.1, "milestones": (0.5, 0.75)}, "data": "sides"}
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


def state(value: float, size: int = 1000) -> dict[str, Any]:
    return {"weights": torch.full((size,), value), "best": value}


def in_child(work: Callable[[], None]) -> int:
    """Run ``work`` in a forked process; its exit status, negative for a signal."""
    process = os.fork()
    if process == 0:
        status = 99
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def same(a: Any, b: Any) -> bool:
    """Equal bit for bit, and of the same types."""
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_state_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    generator = torch.Generator().manual_seed(5)
    saved = {
        "model": model.state_dict(),
        "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"betas": (0.9, 0.999)}]},
        "generator": generator.get_state(),
        "half": torch.randn(7).bfloat16(),
        "rows": [{"epoch": 1, "loss": 0.1 + 0.2}, {"epoch": 2, "loss": float("inf")}],
        "scaler": None,
        "python": (3, (1, 2, 3), None),
    }
    Checkpoints(tmp_path / "new" / "folder").save(saved, epoch=2, step=12, run=RUN)
    read = Checkpoints(tmp_path / "new" / "folder").newest(RUN)
    assert read is not None and read.pop("epoch") == 2 and read.pop("step") == 12
    assert same(read, saved) and isinstance(read["model"], OrderedDict)
    drawn = torch.rand(3, generator=generator)
    assert torch.equal(drawn, torch.rand(3, generator=torch.Generator().set_state(read["generator"])))


def test_an_empty_folder_has_nothing_to_go_on_from(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path).newest(RUN) is None


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_newest_few_are_kept(tmp_path: Path, keep: int) -> None:
    checkpoints = Checkpoints(tmp_path, keep=keep)
    paths = [checkpoints.save(state(i), epoch=i, step=10 * i, run=RUN) for i in range(12)]
    assert names(tmp_path) == [path.name for path in paths[-keep:]]
    found = Checkpoints(tmp_path).newest(RUN)
    assert found is not None and found["best"] == 11 and found["step"] == 110


def test_files_of_the_readers_own_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "best.pt").write_text("mine")
    checkpoints = Checkpoints(tmp_path, keep=1)
    for i in range(3):
        checkpoints.save(state(i), epoch=i, step=i, run=RUN)
    assert (tmp_path / "best.pt").read_text() == "mine" and len(names(tmp_path)) == 2
    assert checkpoints.newest(RUN) is not None


def test_every_truncation_and_every_flipped_bit_is_found(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(state(1), epoch=1, step=1, run=RUN)
    path = checkpoints.save(state(2), epoch=2, step=2, run=RUN)
    whole = path.read_bytes()
    places = np.random.default_rng(0).integers(0, len(whole), 60).tolist()
    for place in [0, len(whole) - 1, *places]:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        for content in (whole[:place], bytes(flipped)):
            path.write_bytes(content)
            with pytest.warns(UserWarning) as warnings:
                found = checkpoints.newest(RUN)
            assert found is not None and found["best"] == 1
            (message,) = (str(warning.message) for warning in warnings)
            assert str(path) in message and "truncated or changed" in message and "\n" not in message
    path.write_bytes(whole)
    found = checkpoints.newest(RUN)
    assert found is not None and found["best"] == 2, "undamaged, it counts"


def test_a_damaged_checkpoint_goes_once_a_newer_one_is_there_and_the_valid_one_stays(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2)
    valid = checkpoints.save(state(1), epoch=1, step=1, run=RUN)
    damaged = checkpoints.save(state(2), epoch=2, step=2, run=RUN)
    os.truncate(damaged, 100)
    checkpoints = Checkpoints(tmp_path, keep=2)
    with pytest.warns(UserWarning, match=damaged.name):
        checkpoints.newest(RUN)
    again = checkpoints.save(state(3), epoch=2, step=2, run=RUN)
    assert names(tmp_path) == [valid.name, again.name]
    found = checkpoints.newest(RUN)
    assert found is not None and found["best"] == 3


def test_where_all_are_damaged_the_run_starts_afresh(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for i in (1, 2):
        os.truncate(checkpoints.save(state(i), epoch=i, step=i, run=RUN), 50)
    with pytest.warns(UserWarning, match="is skipped") as warnings:
        assert checkpoints.newest(RUN) is None
    assert len(warnings) == 2


def test_a_file_that_would_run_code_is_skipped_unrun(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    torch.save({"epoch": 1, "step": 1, "run": RUN, "state": Trap()}, tmp_path / "trap")
    digest = hashlib.sha256((tmp_path / "trap").read_bytes()).hexdigest()[:16]
    (tmp_path / "trap").rename(tmp_path / f"000001-epoch1-step1-{digest}.pt")
    with pytest.warns(UserWarning, match="other things than tensors, numbers and text"):
        assert Checkpoints(tmp_path).newest(RUN) is None
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "LeNet5"}, "model is 'Sequential' there and 'LeNet5' here"),
        ({"recipe": {"lr": 0.05, "milestones": (0.5, 0.75)}}, "recipe.lr is 0.1 there and 0.05 here"),
        ({"data": "digits", "images": 100}, "data is 'sides' there and 'digits' here; images is None there"),
    ],
)
def test_another_runs_folder_is_refused_and_left_as_it_is(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    Checkpoints(tmp_path).save(state(1), epoch=1, step=1, run=RUN)
    before = names(tmp_path)
    with pytest.raises(CheckpointError) as error:
        Checkpoints(tmp_path).newest(RUN | change)
    message = str(error.value)
    assert said in message and "pass another folder" in message and str(tmp_path) in message
    assert "\n" not in message and names(tmp_path) == before


def test_the_same_function_at_another_address_is_the_same_run(tmp_path: Path) -> None:
    def blank() -> None: ...

    def other() -> None: ...

    saved = re.sub(r"0x\w+", "0x7f00dead", repr(blank))
    Checkpoints(tmp_path).save(state(1), epoch=1, step=1, run=RUN | {"augment": saved})
    assert saved != repr(blank) and Checkpoints(tmp_path).newest(RUN | {"augment": repr(blank)}) is not None
    with pytest.raises(CheckpointError, match="other"):
        Checkpoints(tmp_path).newest(RUN | {"augment": repr(other)})


def test_of_many_differences_three_are_named(tmp_path: Path) -> None:
    Checkpoints(tmp_path).save(state(1), epoch=1, step=1, run=dict.fromkeys("abcde", 0))
    with pytest.raises(CheckpointError, match=r"a is 0 there and 1 here; .*; c is 0 .* here; 2 more\)"):
        Checkpoints(tmp_path).newest(dict.fromkeys("abcde", 1))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"a": [1, np.float64(2)]}, r"\['state'\]\['a'\]\[1\] is a float64"),
        ({"a": np.zeros(2)}, "is a ndarray"),
        ({"model": nn.Linear(1, 1)}, r"\['model'\] is a Linear"),
        ({"a": {1, 2}}, "is a set"),
        ({torch.float32: 1}, "a key, is a dtype"),
    ],
)
def test_what_could_not_be_read_back_is_refused_when_saved(tmp_path: Path, value: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        Checkpoints(tmp_path).save(value, epoch=1, step=1, run=RUN)
    assert names(tmp_path) == []


@linux
@pytest.mark.parametrize("room", [0, 1000, 20_000, 39_000, 300_000])
def test_a_file_that_cannot_grow_leaves_the_one_before_and_nothing_else(tmp_path: Path, room: int) -> None:
    """The operating system itself stops the writing, in the middle of a state of 40 or 400 kB."""
    checkpoints = Checkpoints(tmp_path, keep=1)
    path = checkpoints.save(state(1), epoch=1, step=1, run=RUN)

    def write_with_little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        large = state(2, size=10_000 if room < 40_000 else 100_000)
        with pytest.raises(CheckpointError, match=r"File too large.*make room.*are intact") as error:
            checkpoints.save(large, epoch=2, step=2, run=RUN)
        assert "\n" not in str(error.value)

    assert in_child(write_with_little_room) == 0
    assert names(tmp_path) == [path.name]
    found = checkpoints.newest(RUN)
    assert found is not None and found["best"] == 1


@linux
@pytest.mark.parametrize("size", [10, 100_000])
def test_a_full_disk_is_named(tmp_path: Path, size: int) -> None:
    (tmp_path / checkpoint._PARTIAL).symlink_to("/dev/full")
    with pytest.raises(CheckpointError, match="No space left on device"):
        Checkpoints(tmp_path).save(state(1, size), epoch=1, step=1, run=RUN)
    assert names(tmp_path) == []


def test_ctrl_c_while_saving_is_ctrl_c_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted:
        def update(self, data: Any) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint.hashlib, "sha256", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        Checkpoints(tmp_path).save(state(1), epoch=1, step=1, run=RUN)
    assert names(tmp_path) == []


def test_what_a_killed_writer_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = Checkpoints(tmp_path)
    path = checkpoints.save(state(1), epoch=1, step=1, run=RUN)

    def die_before_the_rename() -> None:
        monkeypatch.setattr(checkpoint.os, "fsync", lambda _: os.kill(os.getpid(), signal.SIGKILL))
        checkpoints.save(state(2), epoch=2, step=2, run=RUN)

    assert in_child(die_before_the_rename) == -signal.SIGKILL
    assert len(names(tmp_path)) == 2, "the child was to leave half a file"
    found = Checkpoints(tmp_path).newest(RUN)
    assert found is not None and found["best"] == 1 and names(tmp_path) == [path.name]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_cannot_sync_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def cannot(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(checkpoint.os, "fsync", cannot)
    Checkpoints(tmp_path).save(state(1), epoch=1, step=1, run=RUN)
    assert Checkpoints(tmp_path).newest(RUN) is not None


def test_a_disk_that_fails_to_sync_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(checkpoint.os, "fsync", fails)
    with pytest.raises(CheckpointError, match="Input/output error"):
        Checkpoints(tmp_path).save(state(1), epoch=1, step=1, run=RUN)
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_made_or_written_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "folder"):
        with pytest.raises(CheckpointError, match=f"written to {folder} .*pass another folder"):
            Checkpoints(folder)
    monkeypatch.setattr(checkpoint.os, "access", lambda path, mode: False)
    with pytest.raises(CheckpointError, match="Permission denied"):
        Checkpoints(tmp_path)


def test_a_folder_that_vanishes_is_an_error_in_one_line(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "drive")
    (tmp_path / "drive").rmdir()
    with pytest.raises(CheckpointError, match="No such file or directory"):
        checkpoints.save(state(1), epoch=1, step=1, run=RUN)


def test_a_save_is_due_after_the_interval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now)
    checkpoints = Checkpoints(tmp_path, every=60)
    assert not checkpoints.due()
    now += 60
    assert checkpoints.due()
    checkpoints.save(state(1), epoch=1, step=1, run=RUN)
    assert not checkpoints.due()
    assert Checkpoints(tmp_path, every=0).due()


def test_senseless_settings_are_refused(tmp_path: Path) -> None:
    for wrong in ({"keep": 0}, {"every": -1.0}, {"every": float("nan")}):
        with pytest.raises(ValueError, match="keep must be 1 or more and every 0 or more"):
            Checkpoints(tmp_path, **wrong)  # type: ignore[arg-type]


def test_colabs_folder_is_in_the_drive_or_says_how_to_mount_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "DRIVE", tmp_path / "MyDrive")
    with pytest.raises(CheckpointError, match=r"drive\.mount\('/content/drive'\)"):
        colab_folder("lenet5")
    (tmp_path / "MyDrive").mkdir()
    folder = colab_folder("lenet5")
    assert folder.is_relative_to(tmp_path / "MyDrive") and folder.name == "lenet5"
    Checkpoints(folder).save(state(1), epoch=1, step=1, run=RUN)
