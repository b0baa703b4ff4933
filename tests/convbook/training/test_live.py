"""The live curve: one picture that changes in a notebook that somebody watches, nothing anywhere else."""

import base64
import struct
from types import SimpleNamespace
from typing import Any, NamedTuple

import IPython
import pytest

from convbook.training import History, live
from convbook.training.history import COLUMNS
from convbook.training.live import LiveCurve


class Picture(NamedTuple):
    data: bytes
    alt: str
    width: int


class Screen:
    """What a front end would show: its outputs, each with all it showed in turn."""

    def __init__(self) -> None:
        self.outputs: list[list[Picture]] = []

    def display(
        self, bundle: dict[str, str], *, display_id: bool, raw: bool, metadata: dict[str, Any]
    ) -> SimpleNamespace:
        shown: list[Picture] = []

        def update(bundle: dict[str, str], *, raw: bool, metadata: dict[str, Any]) -> None:
            assert raw and bundle["text/plain"] == metadata["image/png"]["alt"]
            shown.append(Picture(base64.b64decode(bundle["image/png"]), **metadata["image/png"]))

        update(bundle, raw=raw, metadata=metadata)
        self.outputs.append(shown)
        assert display_id, "without an id the picture could not be replaced"
        return SimpleNamespace(update=update)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """A live notebook."""
    screen = Screen()
    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setattr(IPython.display, "display", screen.display)
    monkeypatch.delenv("CONVBOOK_PROGRESS", raising=False)
    monkeypatch.setenv("JPY_SESSION_NAME", "lab.ipynb")
    return screen


@pytest.fixture
def history() -> History:
    return History(data="sides")


def add_epoch(history: History) -> None:
    n = len(history) + 1
    history.rows.append(dict(zip(COLUMNS, (n, 0.1, 1 / n, 0.5, 2 / n, 1 - 0.5**n, 1.0), strict=True)))


def test_one_picture_is_replaced_after_each_epoch(
    screen: Screen, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SHARE", 1.0)
    with LiveCurve(history) as curve:
        assert screen.outputs == []
        for _ in range(3):
            add_epoch(history)
            curve.update()
    (shown,) = screen.outputs
    assert [picture.alt.split(": ")[0] for picture in shown] == [
        f"Loss and accuracy on sides up to epoch {n}" for n in (1, 2, 3)
    ]
    assert "validation accuracy 87.50 %" in shown[-1].alt
    figure = history.plot()
    size = struct.unpack(">II", shown[-1].data[16:24])  # in the PNG's header
    assert size == pytest.approx([192 * inches for inches in figure.get_size_inches()], abs=1)
    assert shown[-1].width == size[0] // 2, "twice as many pixels as it is wide"


def test_short_epochs_are_skipped_but_never_the_last(
    screen: Screen, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, plot = 0.0, History.plot

    def slow_plot(self: History) -> object:
        nonlocal now
        now += 2
        return plot(self)

    monkeypatch.setattr(live.time, "perf_counter", lambda: now)
    monkeypatch.setattr(History, "plot", slow_plot)
    with LiveCurve(history) as curve:
        for _ in range(60):
            now += 1
            add_epoch(history)
            curve.update()
    (shown,) = screen.outputs
    epochs = [int(picture.alt.split("epoch ")[1].split(":")[0]) for picture in shown]
    assert epochs == [1, 39, 60], "drawing for 2 s is followed by at least 38 s of training"


def test_what_was_reached_is_shown_when_the_run_fails(screen: Screen, history: History) -> None:
    with pytest.raises(RuntimeError, match="diverged"), LiveCurve(history) as curve:
        for _ in range(2):
            add_epoch(history)
            curve.update()
        raise RuntimeError("diverged")
    assert "up to epoch 2" in screen.outputs[0][-1].alt


def test_a_run_without_an_epoch_shows_nothing(screen: Screen, history: History) -> None:
    with LiveCurve(history) as curve:
        curve.update()
    assert screen.outputs == []


@pytest.mark.parametrize("where", ["a terminal", "papermill", "not wanted"])
def test_elsewhere_nothing_is_drawn_at_all(
    screen: Screen, history: History, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    if where == "a terminal":  # with IPython loaded, perhaps even its shell, but no kernel
        monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace())
    if where == "papermill":  # a kernel, but nobody watches
        monkeypatch.delenv("JPY_SESSION_NAME")
    monkeypatch.setattr(History, "plot", lambda self: pytest.fail("drawn"))
    with LiveCurve(history, wanted=where != "not wanted") as curve:
        add_epoch(history)
        curve.update()
    assert screen.outputs == []
