"""Benchmarks: the arithmetic on a fake clock, what is refused, what a file and the page hold."""

import json
import math
import sys
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from convbook.data import ImageSet
from convbook.training import History
from courseware.bench import cpu, gpu, growth, page, result, speed_record, terminal, training, usual
from courseware.bench.case import Case
from courseware.bench.figure import Figure, at_least, at_most
from courseware.bench.ours import FitSide, finished, network, noise
from courseware.bench.turns import Bench, OutOfTime, held_to
from courseware.cli import main
from courseware.notebooks import CourseError


class Clock:
    """Tells the time that the work has spent."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def work(self, *seconds):
        spent = iter(seconds)

        def run():
            self.now += next(spent)

        return run


def figure(ours, theirs, target, kind="speed-up", **more) -> Figure:
    return Figure("loading", "batch 128", "the loader", kind, target, ours, theirs, **more)


SLOW_SPELL = figure([1.0, 1.0, 4.0, 1.25, 1.0], [9.0, 10.0, 40.0, 10.0, 9.5], at_least(9))


def finished_result(figures, device="cpu", date=(2026, 1, 31)) -> result.Result:
    began = datetime(*date, 12, tzinfo=UTC)
    made = result.make_result("training", "cpu", "course bench training", began, 61.24, figures)
    return replace(made, device=device)


def test_sides_take_turns_and_every_other_repeat_goes_backwards():
    clock, order = Clock(), []
    bench = Bench(repeats=3, clock=clock)
    work = {"ours": clock.work(1, 2, 3), "theirs": clock.work(10, 20, 30)}
    sides = {name: lambda name=name: order.append(name) or bench.timed(work[name]) for name in work}
    assert bench.turns(sides) == {"ours": [1, 2, 3], "theirs": [10, 20, 30]}
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]


def test_the_budget_ends_a_measurement_between_repeats():
    clock = Clock()
    bench = Bench(repeats=5, budget=25, clock=clock)
    done = clock.work(10, 10, 10, 10, 10)
    with pytest.raises(OutOfTime):
        bench.turns({"ours": lambda: bench.timed(done)})
    assert clock.now == 130 and bench.left() == -5


def test_a_speed_up_is_the_median_of_pairs_so_that_a_slow_spell_does_not_count():
    assert SLOW_SPELL.ratios == [9.0, 10.0, 10.0, 8.0, 9.5]
    assert SLOW_SPELL.median == SLOW_SPELL.value == 9.5
    assert SLOW_SPELL.best == 9.0, "the shortest 9.0 over the shortest 1.0"
    assert replace(SLOW_SPELL, by_best=True).value == 9.0


def test_each_kind_is_a_ratio_of_its_own():
    assert figure([2.0], [1.5], at_most(1), kind="share").value == 0.25
    assert figure([3.0], [2.0], at_most(1), kind="duration").value == 1.5
    assert figure([3.0, 9.0, 4.0], [], at_most(15), kind="seconds").value == 4.0


def test_verdicts():
    assert SLOW_SPELL.verdict == "met"
    assert replace(SLOW_SPELL, target=at_least(9.51)).verdict == "missed"
    assert replace(SLOW_SPELL, target=at_most(9.49)).verdict == "missed"
    assert replace(SLOW_SPELL, needed=6).verdict == "too few repeats"
    assert figure([], [], at_least(9), missing="no GPU").verdict == "not measured"


def test_a_run_that_never_gets_there_counts_as_no_speed_up():
    never = figure([2.0, math.inf, math.inf], [10.0, 10.0, 10.0], at_least(5), needed=3, unit="s")
    assert never.ratios == [5.0, 0.0, 0.0] and never.verdict == "missed"


def test_results_survive_the_way_through_a_file(tmp_path):
    never = figure([2.0, math.inf, 3.0], [10.0, 10.0, 10.0], at_least(5), unit="s", note="two of three")
    before = finished_result([SLOW_SPELL, never])
    path = result.save_result(before, tmp_path / "one.json")
    assert result.load_result(path) == before
    content = json.loads(path.read_text())
    assert content["figures"][0]["median"] == 9.5 and content["figures"][1]["ours"] == [2.0, None, 3.0]
    assert content["seconds"] == 61.2 and {"python", "torch", "torchvision"} <= set(content["versions"])


def test_a_damaged_result_is_named(tmp_path):
    path = tmp_path / "training-cpu-1.json"
    path.write_text('{"suite": "training"}')
    with pytest.raises(CourseError, match=r"training-cpu-1\.json is no benchmark's result"):
        result.newest("training", "cpu", tmp_path)


def save(folder, name, made):
    result.save_result(made, folder / f"training-{made.device}-{name}.json")


def test_the_newest_measurement_of_each_figure_is_shown_and_a_failed_try_hides_none(tmp_path):
    other = replace(SLOW_SPELL, case="lenet5", part="float32")
    save(tmp_path, "a", finished_result([SLOW_SPELL, other], date=(2026, 1, 1)))
    save(tmp_path, "b", finished_result([replace(SLOW_SPELL, note="newer")], date=(2026, 2, 1)))
    gone = replace(other, ours=[], theirs=[], missing="the budget was used up")
    save(tmp_path, "c", finished_result([gone], date=(2026, 3, 1)))
    shown = result.newest("training", "cpu", tmp_path)
    assert [(each.date[:7], [f.case for f in each.figures]) for each in shown] == [
        ("2026-02", ["loading"]),
        ("2026-01", ["lenet5"]),
    ]


def test_the_page_shows_a_result_marks_what_was_missed_and_says_what_was_not_measured(tmp_path):
    missed = replace(SLOW_SPELL, case="lenet5", part="float32", target=at_least(12), by_best=True)
    here = replace(missed, part="bf16", ours=[], theirs=[], missing="no bf16 instructions")
    save(tmp_path, "a", finished_result([SLOW_SPELL, missed, here]))
    text = page.benchmark_markdown(tmp_path)
    on_cpu, rest = text.split("## On one GPU")
    row = "| batch 128 | 1 images/s | 0 images/s | 9.50× (8.00× to 10.00×) |  | at least 9.00× | met |"
    assert row in on_cpu
    assert "| 9.00× | at least 12.00× | **missed** |" in on_cpu
    assert "2026-01-31 12:00 UTC with `course bench training` in 61 s on CPU " in on_cpu
    assert "beside the usual loop in float32. Target: bf16, at least 2.80× (no bf16 instructions)\n" in on_cpu
    assert "seconds, at most 15.0 s" in on_cpu
    assert "Training ResNet-20" in on_cpu.split("**Not measured.**")[1]
    assert "Loading" not in on_cpu.split("**Not measured.**")[1]
    assert "run `course bench training --device cuda`" in rest and "SE-ResNet-50" in rest
    assert "def usual_epoch(" in rest, "the loop that is measured against stands on the page whole"


def test_a_note_names_its_rows_unless_it_is_about_all_of_them(tmp_path):
    rows = [replace(SLOW_SPELL, part=part, note=note) for part, note in zip("abc", "xyx", strict=True)]
    save(tmp_path, "a", finished_result(rows))
    alike = [replace(SLOW_SPELL, case="lenet5", part=part, note="z") for part in "de"]
    save(tmp_path, "b", finished_result(alike))
    text = page.benchmark_markdown(tmp_path)
    assert "Notes: a, c: x; b: y.\n" in text
    assert "Notes: z.\n" in text


def test_the_terminals_table_holds_every_figure_and_the_machine(capsys):
    missing = replace(SLOW_SPELL, case="lenet5", ours=[], theirs=[], missing="no bf16 instructions")
    terminal.print_result(finished_result([SLOW_SPELL, missing]))
    out = capsys.readouterr().out
    assert "9.50× (8.00× to 10.00×)" in out and "lenet5, batch 128: no bf16 instructions" in out
    assert "1 met, 1 not measured" in out and f"torch {torch.__version__.split('+')[0]}" in out


def test_cases_have_names_of_their_own_and_a_target_a_part():
    names = [(case.device, case.name) for case in training.CASES]
    assert len(set(names)) == len(names)
    assert all(case.targets and case.title and case.against for case in training.CASES)
    assert {case.device for case in training.CASES} == {"cpu", "cuda"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--only", "lenet"], "no benchmark on cpu is called 'lenet'; there are lenet5"),
        pytest.param(
            ["--device", "cuda"],
            "PyTorch sees no CUDA GPU",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(arguments, says):
    done = CliRunner().invoke(main, ["bench", "training", *arguments])
    assert done.exit_code == 2 and says in done.stderr
    assert done.stderr.count("\n") == 1 and done.stdout == ""


class Pretended(Case):
    """Two parts, of which the second is as a test wants it."""

    name, device, title, against = "pretended", "cpu", "A title", "something"

    def __init__(self, second):
        self.targets, self.second = {"one": at_least(9), "two": at_least(9)}, second

    def run(self, bench):
        yield self.figure("one", SLOW_SPELL.ours, SLOW_SPELL.theirs)
        yield self.second(self)


def raising(error):
    def second(case):
        raise error

    return second


@pytest.mark.parametrize(
    ("second", "status", "verdicts"),
    [
        (lambda case: case.figure("two", [1.0] * 5, [9.0] * 5), 0, ["met", "met"]),
        (lambda case: case.figure("two", [1.0] * 5, [8.0] * 5), 1, ["met", "missed"]),
        (raising(ImportError("no timm", name="timm")), 0, ["met", "not measured"]),
        (raising(KeyboardInterrupt()), 130, ["met"]),
    ],
)
def test_the_command_writes_what_was_measured_and_its_status_tells(
    tmp_path, monkeypatch, second, status, verdicts
):
    monkeypatch.setattr(training, "CASES", (Pretended(second),))
    output = tmp_path / "out.json"
    done = CliRunner().invoke(main, ["bench", "training", "--output", str(output)])
    assert done.exit_code == status
    assert [each.verdict for each in result.load_result(output).figures] == verdicts
    assert "A title" in done.stderr and "A title" not in done.stdout


def test_the_command_that_a_result_names_is_what_measures_the_same():
    assert training.command(Bench()) == "course bench training"
    given = Bench(device="cuda", repeats=7, quick=True)
    words = "course bench training --device cuda --only host --repeats 7 --quick"
    assert training.command(given, ["host"]) == words


def test_an_interrupted_fit_ends_the_measurement():
    with pytest.raises(KeyboardInterrupt):
        finished(History(interrupted=True))


def test_the_usual_loop_and_the_plain_one_learn_the_same_as_each_other():
    """Without augmentation and in the same order they are the same computation."""
    data = noise(64, 3, 8, "cpu")
    nets = [nn.Sequential(nn.Flatten(), nn.Linear(192, 10)) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    mean = data.images.float().mean(dim=(0, 2, 3)) / 255
    std = data.images.float().std(dim=(0, 2, 3)) / 255
    same = ImageSet(data.images, data.labels, data.classes, statistics=(mean, std))
    pictures = usual.Pictures(same, usual.usual_transform(same))
    optimizers = [torch.optim.SGD(net.parameters(), lr=0.1) for net in nets]
    loader = usual.usual_loader(pictures, 64)  # one batch: the order does not matter
    loss = usual.usual_epoch(nets[0], loader, optimizers[0])
    usual.resident_epoch(nets[1], data.images, data.labels, optimizers[1], 64)
    assert loss == pytest.approx(math.log(10), rel=0.3)
    for ours, theirs in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_two_cores_are_given_back():
    before = torch.get_num_threads()
    with held_to(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_exponents_of_known_growth():
    sizes = [10, 100, 1000]
    assert growth.exponent(sizes, [5.0 * n for n in sizes]) == pytest.approx(1)
    assert growth.exponent(sizes, [n**2 for n in sizes]) == pytest.approx(2)
    assert growth.exponent(sizes, [3, 3, 3]) == pytest.approx(0)


def test_the_peak_of_memory_never_falls_and_sees_a_large_tensor():
    before = growth.peak_memory()
    torch.ones(50_000_000)  # 200 MB, gone at once
    peaks = [before, growth.peak_memory(), growth.peak_memory()]
    assert all(a <= b for a, b in pairwise(peaks)) and peaks[-1] > 200_000_000


def check_quick_run(case: Case, device: str) -> None:
    """On tiny sizes; a GPU's case runs on a CPU as well, to see its plumbing."""
    figures = list(case.run(Bench(device=device, repeats=1, quick=True)))
    assert {each.part for each in figures} == set(case.targets)
    measured = [each for each in figures if not each.missing]
    assert measured and all(each.verdict == "too few repeats" for each in measured)
    assert all(seconds > 0 for each in measured for seconds in (*each.ours, *each.theirs))


def test_a_side_of_fit_is_its_last_pass():
    data = noise(64, 1, 32, "cpu")
    side = FitSide(Bench(), network("lenet5_modern", data), data, batch_size=32, precision="float32")
    seconds = side()
    assert seconds == side.history.rows[-1]["seconds"] / 64 and len(side.history) == 2


class Airbench(SimpleNamespace):
    """Stands for the package of that name: reads the files that its loader reads."""

    def __init__(self, accuracy: float) -> None:
        super().__init__(accuracy=accuracy)

    def train94(self, verbose):
        return self.CifarLoader("cifar10", train=True, batch_size=1024)

    def CifarLoader(self, path, train, batch_size):
        content = torch.load(f"{path}/{'train' if train else 'test'}.pt")
        assert content["images"].dtype == torch.uint8 and content["images"].shape[1:] == (32, 32, 3)
        assert len(content["images"]) == len(content["labels"]) and len(content["classes"]) == 10
        return content

    def evaluate(self, model, loader, tta_level):
        return self.accuracy


@pytest.fixture
def cifar(monkeypatch):
    def load(name, **settings):
        assert name == "cifar10" and settings["resident"]
        return noise(96, 3, 32, "cpu"), noise(48, 3, 32, "cpu")

    monkeypatch.setattr(speed_record, "load", load)


def test_who_is_less_often_right_than_the_speed_record_is_not_there_at_any_time(monkeypatch, cifar):
    monkeypatch.setitem(sys.modules, "airbench", Airbench(0.9))
    monkeypatch.setattr(speed_record, "by_plain_recipe", lambda *setting: 0.8995)
    monkeypatch.setattr(speed_record, "by_how_fast", lambda *setting: 0.8985)
    plain, fast = speed_record.AgainstSpeedRecord().run(Bench(repeats=5))
    assert all(map(math.isfinite, plain.ours)) and len(plain.theirs) == 5
    assert fast.ours == [math.inf] * 5 and fast.verdict == "missed"
    assert "89.85 % on average, airbench94 90.00 %" in fast.note


def test_without_the_speed_records_package_the_case_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "airbench", None)
    figures = list(speed_record.AgainstSpeedRecord().run(Bench()))
    assert len(figures) == 2 and all(each.missing == "pip install airbench" for each in figures)


@pytest.mark.slow
def test_the_speed_record_case_runs_through_on_the_cpu(monkeypatch, cifar):
    monkeypatch.setitem(sys.modules, "airbench", Airbench(0.0))
    figures = list(speed_record.AgainstSpeedRecord().run(Bench(device="cpu", repeats=1, quick=True)))
    assert all(0 < seconds < math.inf for each in figures for seconds in each.ours)


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        cpu.LeNet5(),
        gpu.CASES[4],
        gpu.AugmentationShare(),
        gpu.AgainstTimm("resnet18", "resnet18", "ResNet-18", 1.15),  # the smallest, for time
    ],
    ids=lambda case: f"{case.device}-{case.name}",
)
def test_cases_run_through_on_the_cpu(case):
    check_quick_run(case, "cpu")


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("case", gpu.CASES, ids=lambda case: case.name)
def test_cases_run_through_on_a_gpu(case):
    check_quick_run(case, "cuda")
