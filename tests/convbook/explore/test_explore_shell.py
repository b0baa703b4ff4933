"""The HTML around an explorable: safe, self-contained, readable without JavaScript."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from convbook import explore, plots
from convbook.explore import Explorable
from convbook.explore.flipbook import flipbook_html

ALT = "A cat"
NODE = shutil.which("node")


def data_in(html):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)[1])


@pytest.fixture
def shown(monkeypatch):
    calls = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: calls.append(data))
    return calls


@pytest.mark.parametrize("name", explore.list_explorables())
@pytest.mark.skipif(NODE is None, reason="needs node")
def test_every_explorable_is_a_valid_es_module(name, tmp_path):
    path = tmp_path / f"{name}.mjs"
    path.write_text(explore.source(name), encoding="utf-8")
    done = subprocess.run([NODE, "--check", path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", explore.list_explorables())
def test_every_explorable_keeps_anywidgets_contract_and_fetches_nothing(name):
    module = explore.source(name)
    assert module.count("export default {") == 1 and "render({ model, el" in module
    assert module.count("fetch(") == 1  # `part`, for what lies beside a page
    assert not re.search(r"\bimport\b|XMLHttpRequest|https?://(?!www\.w3\.org/2000/svg)", module)
    assert "innerHTML" not in module


def test_pieces_of_a_long_module_stand_before_it_and_are_no_explorables():
    module = explore.source("convolution")
    assert (
        module.index("function create") < module.index("function convolve") < module.index("export default")
    )
    assert not [name for name in explore.list_explorables() if "." in name]


def test_data_cannot_leave_its_script_element():
    nasty = "</script><script>alert(1)</script><!-- \u2028 &amp;"
    html = Explorable("flipbook", {"x": nasty, "</script>": 1}, alt=ALT).html()
    assert html.lower().count("</script>") == html.count("<script") == 2
    assert data_in(html) == {"x": nasty, "</script>": 1}
    assert "<!--" not in html and "\u2028" not in html


def test_alt_title_and_labels_are_escaped():
    html = Explorable("flipbook", {}, alt='"><img src=x onerror=1>', title="<b>bold</b>").html()
    assert "<img" not in html and "<b>" not in html
    frames = [plots.curves({"a": [1.0]}, "lr") for _ in range(2)]
    html = flipbook_html(frames, ["<i>", "b"], ['"><b>', "y"], "<title>")
    assert "<i>" not in html and "<b>" not in html and "<title>" not in html


def test_tensors_arrays_and_numbers_of_numpy_become_plain_json():
    data = {"a": torch.tensor([[1, 2]]), "b": np.arange(2), "c": np.float64(0.5), "d": None}
    assert data_in(Explorable("flipbook", data, alt=ALT).html()) == {
        "a": [[1, 2]],
        "b": [0, 1],
        "c": 0.5,
        "d": None,
    }


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}])
def test_data_that_json_cannot_carry_is_refused(value):
    with pytest.raises(explore.ExplorableError, match="cannot be written as JSON"):
        explore.show("flipbook", {"x": value}, alt=ALT)


@pytest.mark.parametrize(
    ("name", "hint"), [("convolutoin", "'convolution'"), ("x", "choose from"), ("shell", "no expl")]
)
def test_unknown_name_gets_one_line_that_helps(name, hint):
    with pytest.raises(explore.ExplorableError, match=hint) as error:
        explore.show(name, {}, alt=ALT)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("alt", ["", "   "])
def test_explorable_without_alt_is_refused(alt, shown):
    with pytest.raises(ValueError, match="alt is empty"):
        explore.show("flipbook", {}, alt=alt)
    assert not shown


def test_reader_without_javascript_gets_the_fallback(shown):
    explore.show("flipbook", {}, alt=ALT, fallback="<table><tr><td>7</td></tr></table>")
    html = shown[0]["text/html"]
    fallback = re.search(
        r'<div class="cb-fallback">(.*)</div><script type="application/json">', html, re.DOTALL
    )[1]
    assert "<td>7</td>" in fallback and "Where scripts run" in fallback
    assert shown[0]["text/plain"] == ALT


def test_same_explorable_gives_the_same_html_and_other_data_another_identity():
    first, second = (Explorable("flipbook", {"x": x}, alt=ALT).html() for x in (1, 2))
    identity = r'data-explore="(\w+)"'
    assert first == Explorable("flipbook", {"x": 1}, alt=ALT).html()
    assert re.search(identity, first)[1] != re.search(identity, second)[1]


def test_flipbook_holds_every_frame_with_its_alt_and_size(shown):
    frames = [plots.image_grid(torch.rand(2, 3, 8, 8)), plots.curves({"a": [1.0, 2.0]}, "lr")]
    explore.flipbook(frames, ["one", "two"], ["first frame", "second frame"], "Depth")
    html = shown[0]["text/html"]
    images = re.findall(
        r'<img src="data:image/(\S+?);base64,[^"]+" alt="(.*?)" width="(\d+)" height="(\d+)">', html
    )
    assert [alt for _, alt, *_ in images] == ["first frame", "second frame"]
    assert [kind for kind, *_ in images][1] == "svg+xml"
    assert data_in(html) == {"title": "Depth", "labels": ["one", "two"]}


def test_flipbook_frames_of_one_size_stay_so_whatever_is_drawn():
    from convbook.plots.display import picture

    small, large = ({"a": [0.0, 1.0]}, {"a much longer label": [0.0, 1e5]})
    sizes = {picture(plots.curves(h, "lr"), tight=False)[2:] for h in (small, large)}
    assert len(sizes) == 1


@pytest.mark.parametrize(
    ("frames", "labels", "alts", "message"),
    [
        ([b"GIF89a", b"GIF89a"], ["a", "b"], ["a", "b"], "bytes of a PNG"),
        ([b""], ["a", "b"], ["a", "b"], "1 frames, 2 labels, 2 alt texts"),
        ([b""], ["a"], ["a"], "at least two frames"),
    ],
)
def test_flipbook_refuses_what_it_cannot_turn(frames, labels, alts, message):
    with pytest.raises(explore.ExplorableError, match=message):
        explore.flipbook(frames, labels, alts, "title")


def test_large_parts_lie_in_a_notebooks_output_and_beside_a_page_of_the_book():
    explorable = Explorable("flipbook", {"x": 1}, alt=ALT, parts={"a": [1], "b": [2]})
    assert data_in(explorable.html()) == {"x": 1, "parts": {"a": [1], "b": [2]}}
    assert data_in(explorable.html("../_static/")) == {"x": 1, "beside": "../_static/"}


def test_an_explorable_shows_itself_as_the_last_value_of_a_cell():
    explorable = Explorable("flipbook", {"x": 1}, alt=ALT)
    assert explorable._repr_mimebundle_() == {"text/html": explorable.html(), "text/plain": ALT}


def test_all_scripts_and_styles_together_are_small():
    folder = Path(explore.__file__).parent
    files = [path for path in folder.iterdir() if path.suffix in (".js", ".css")]
    assert len(files) > 8 and sum(path.stat().st_size for path in files) < 300_000
