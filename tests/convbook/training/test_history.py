"""What a history tells, and how it shows itself."""

from xml.etree import ElementTree

import matplotlib
import pytest

from convbook.plots import PALETTE, use_style
from convbook.training import History, Recipe, shift
from convbook.training.history import COLUMNS


def row(epoch: int, accuracy: float) -> dict[str, float]:
    return dict(zip(COLUMNS, (epoch, 0.1, 1.5, 0.5, 1.25, accuracy, 2.0), strict=True))


@pytest.fixture
def history() -> History:
    rows = [row(1, 0.5), row(2, 0.75), row(3, 0.625)]
    return History(Recipe(epochs=3, augment=shift(2)), "digits", images=100, rows=rows, seconds=7.0)


def test_final_best_columns_and_throughput(history: History) -> None:
    assert history.final["epoch"] == 3 and history.best["epoch"] == 2
    assert history.column("val_accuracy") == [0.5, 0.75, 0.625]
    assert history.images_per_second == 300 / 6
    assert len(history) == 3


def test_a_wrong_column_names_the_right_ones(history: History) -> None:
    with pytest.raises(KeyError, match="no column 'accuracy'; choose from epoch, lr"):
        history.column("accuracy")


def test_an_empty_history_says_so() -> None:
    for quantity in ("final", "best", "images_per_second"):
        with pytest.raises(ValueError, match="no epoch was finished"):
            getattr(History(), quantity)


def test_the_html_table_has_a_caption_and_scoped_headings(history: History) -> None:
    table = ElementTree.fromstring(history._repr_html_())
    assert table.find("caption").text == "Training on digits"
    assert [th.get("scope") for th in table.iter("th")] == ["col"] * 7 + ["row"] * 3
    assert table.findall("tbody/tr")[1].findall("td")[4].text == "75.00"


def test_markdown_has_a_line_an_epoch(history: History) -> None:
    lines = history.to_markdown().splitlines()
    assert len(lines) == 5 and {line.count("|") for line in lines} == {8}


def test_a_record_holds_recipe_curve_and_circumstances(history: History) -> None:
    record = history.to_record(model="lenet5", options={"num_classes": 10}, command="python -m ...")
    assert record["recipe"]["augment"] == "shift(2)" and record["curve"] == history.rows
    assert record["final"] == history.rows[2] and record["data"] == "digits"
    assert record["hardware"].startswith("CPU ") and "thread" in record["hardware"]


def test_the_plot_holds_the_historys_numbers_and_is_readable_in_grey(history: History) -> None:
    figure = history.plot()
    loss, accuracy = figure.axes
    for axes, quantity in ((loss, "loss"), (accuracy, "accuracy")):
        lines = {line.get_label(): line for line in axes.lines}
        assert lines.keys() == {"training", "validation"}
        for part, name in (("train", "training"), ("val", "validation")):
            assert lines[name].get_xdata().tolist() == history.column("epoch")
            assert lines[name].get_ydata().tolist() == history.column(f"{part}_{quantity}")
        looks = {(line.get_linestyle(), line.get_marker()) for line in lines.values()}
        assert len(looks) == 2, "colour alone tells them apart"
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("loss (nats)", "accuracy (%)")
    assert accuracy.get_xlabel() == "epoch"
    assert [text.get_text() for text in loss.get_legend().texts] == ["training", "validation"]
    figure.canvas.draw()
    assert {float(label.get_text()) for label in accuracy.get_xticklabels()} >= {1, 2, 3}
    percents = [float(label.get_text()) for label in accuracy.get_yticklabels()]
    assert min(percents) < 50 and max(percents) > 75


def test_the_plot_follows_the_books_style_once_it_is_active(history: History) -> None:
    plain = [line.get_color() for line in history.plot().axes[0].lines]
    with matplotlib.rc_context():
        use_style()
        figure = history.plot()
    styled = [line.get_color() for line in figure.axes[0].lines]
    assert styled == list(PALETTE[:2]) != plain
    assert not figure.axes[0].spines["top"].get_visible()


def test_one_epoch_can_be_plotted_and_none_says_so() -> None:
    figure = History(rows=[row(1, 0.5)]).plot()
    figure.canvas.draw()
    assert {label.get_text() for label in figure.axes[1].get_xticklabels()} >= {"1"}
    with pytest.raises(ValueError, match="no epoch was finished"):
        History().plot()
