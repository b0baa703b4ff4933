"""A bar where somebody watches; nothing in a pipe, under papermill or nbclient, or on standard error."""

import io
import sys

import pytest
from torch import nn

from convbook.data import ImageSet
from convbook.progress import somebody_watches
from convbook.training import Recipe, fit

RECIPE = Recipe(epochs=2, batch_size=32)


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONVBOOK_PROGRESS", "JPY_SESSION_NAME"):
        monkeypatch.delenv(name, raising=False)


def test_nothing_is_printed_where_nobody_watches(
    net: nn.Module, train: ImageSet, val: ImageSet, capfd: pytest.CaptureFixture[str]
) -> None:
    fit(net, train, val, RECIPE, device="cpu")
    assert capfd.readouterr() == ("", "")


def test_the_bar_goes_to_standard_output_and_can_be_declined(
    net: nn.Module,
    train: ImageSet,
    val: ImageSet,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CONVBOOK_PROGRESS", "1")
    fit(net, train, val, RECIPE, device="cpu")
    out, err = capfd.readouterr()
    assert "12/12" in out and err == ""
    fit(net, train, val, RECIPE, device="cpu", progress=False)
    assert capfd.readouterr() == ("", "")


def test_who_counts_as_watching(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert not somebody_watches(), "a pipe, papermill, nbclient"
    monkeypatch.setenv("JPY_SESSION_NAME", "lab.ipynb")
    assert somebody_watches(), "a live notebook"
    monkeypatch.setenv("CONVBOOK_PROGRESS", "0")
    assert not somebody_watches(), "the reader's word is last"
    monkeypatch.delenv("CONVBOOK_PROGRESS")
    monkeypatch.delenv("JPY_SESSION_NAME")
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert somebody_watches(), "a terminal"
