"""The `course` command.

Exit status: 0 when all went well, 1 when something did not hold or a notebook failed, 2 for a request that
cannot be met, 130 when interrupted.
"""

import sys
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from courseware.execute import TIMEOUT
from courseware.notebooks import CourseError, find_root, select
from courseware.parameters import parse_value

if TYPE_CHECKING:
    from convbook.claims import Verdict
    from courseware.bench.training import Suite

Function = TypeVar("Function", bound=Callable[..., Any])

jobs_option = click.option(
    "--jobs", "-j", type=click.IntRange(min=1), help="Notebooks at once (default: one a core)."
)
timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=TIMEOUT,
    show_default=True,
    help="Seconds of wall clock for each notebook.",
)
force_option = click.option("--force", is_flag=True, help="Execute even what has not changed.")
parameter_option = click.option(
    "--parameter", "-p", "parameters", nargs=2, multiple=True, metavar="NAME VALUE", help="Set a parameter."
)


def plainly(function: Function) -> Function:
    """Turn an expected error into one line and an exit status."""

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except CourseError as error:
            fail(str(error), 2)
        except OSError as error:
            fail(str(error), 1)
        except KeyboardInterrupt:
            fail("interrupted; what had finished is kept", 130)

    return wrapped  # type: ignore[return-value]


def fail(message: str, status: int) -> None:
    """Print `message` to standard error and exit."""
    click.echo(message, err=True)
    sys.exit(status)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run notebooks, build the book, recompute what the literature claims."""


@main.command()
@click.argument("names", nargs=-1)
@parameter_option
@timeout_option
@jobs_option
@force_option
@plainly
def run(
    names: tuple[str, ...],
    parameters: tuple[tuple[str, str], ...],
    timeout: float,
    jobs: int | None,
    force: bool,
) -> None:
    """Execute notebooks (all, or those called NAMES), many at once; skip those that have not changed."""
    from courseware.execute import execute
    from courseware.progress import reporter

    root = find_root()
    values = {name: parse_value(value) for name, value in parameters}
    with reporter(root) as display:
        outcomes = execute(
            select(root, names), values, jobs=jobs, timeout=timeout, force=force, root=root, reporter=display
        )
    click.echo(display.summary())
    sys.exit(0 if all(outcome.ok for outcome in outcomes) else 1)


@main.command()
@parameter_option
@timeout_option
@jobs_option
@force_option
@plainly
def build(parameters: tuple[tuple[str, str], ...], timeout: float, jobs: int | None, force: bool) -> None:
    """Execute what changed, render the book, and say where it is."""
    from courseware import render
    from courseware.progress import reporter

    root = find_root()
    values = {name: parse_value(value) for name, value in parameters}
    try:
        with reporter(root) as display:
            render.build(root, jobs=jobs, parameters=values, timeout=timeout, force=force, reporter=display)
    except render.RenderError as error:
        fail(str(error), 1)


@main.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any free one."
)
@plainly
def serve(port: int) -> None:
    """Show the built book on this machine; Ctrl-C ends it."""
    from courseware.serve import make_server

    pages = find_root() / "_build" / "html"
    if not (pages / "index.html").is_file():
        fail("the book is not built yet: run `make book` (or `course build`) first", 2)
    with make_server(pages, port) as server:
        click.echo(f"the book is at http://127.0.0.1:{server.server_address[1]}/ (Ctrl-C ends)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo()


@main.command()
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Default: beside the pages.",
)
@plainly
def pdf(output: Path | None) -> None:
    """Print the built book as one PDF; wants Chromium."""
    from courseware import pdf

    root = find_root()
    pages = root / "_build" / "html"
    if not (pages / "index.html").is_file():
        fail("the book is not built yet: run `make book` (or `course build`) first", 2)
    made = pdf.write(root, pages, output, say=click.echo)
    click.echo(f"{made.pages} pages in {made.seconds:.0f} s: {made.path}")


@main.command()
@click.option("--paper", metavar="KEY", help="Only this paper, by its key in references.bib.")
@click.option("--model", metavar="NAME", help="Only this network.")
@click.option("--format", "form", type=click.Choice(["table", "json", "markdown"]), default="table")
@plainly
def claims(paper: str | None, model: str | None, form: str) -> None:
    """Recompute what the papers claim; exit 1 if anything turns out otherwise than recorded."""
    from courseware import ledger

    verdicts = ledger.verdicts(paper, model)
    if form == "table":
        ledger.print_table(verdicts)
    else:
        click.echo(ledger.as_json(verdicts) if form == "json" else ledger.as_markdown(verdicts))
    surprises: list[Verdict] = [verdict for verdict in verdicts if not verdict.ok]
    if surprises:
        fail("\n".join(ledger.explain(verdict) for verdict in surprises), 1)


@main.command()
@click.argument("names", nargs=-1, required=True, metavar="NETWORK NETWORK...")
@click.option("--image-size", type=click.IntRange(min=1), help="Pixels a side (default: each paper's own).")
@click.option("--depth", type=click.IntRange(min=1), help="Sum up modules below this level.")
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True, help="Timed passes.")
@click.option("--no-time", is_flag=True, help="Counts only: quick, and takes no memory.")
@click.option("--device", default="cpu", show_default=True, help="Where to time: cpu or cuda.")
@click.option("--format", "form", type=click.Choice(["table", "json", "markdown"]), default="table")
@plainly
def compare(
    names: tuple[str, ...],
    image_size: int | None,
    depth: int | None,
    repeats: int,
    no_time: bool,
    device: str,
    form: str,
) -> None:
    """Set networks side by side, layer by layer: parameters, MACs, memory, receptive field, time."""
    from courseware import comparison

    found = comparison.compare(
        names, image_size=image_size, depth=depth, repeats=repeats, time=not no_time, device=device
    )
    if form == "table":
        comparison.print_table(found)
    else:
        click.echo(comparison.as_json(found) if form == "json" else found.to_markdown())


@main.command()
@click.option("--budget", type=click.FloatRange(min=0), default=60, show_default=True, help="Minutes.")
@click.option("--only", metavar="NAME", multiple=True, help="Only this experiment (can be repeated).")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--list", "listing", is_flag=True, help="Show what is measured and missing; run nothing.")
@plainly
def records(budget: float, only: tuple[str, ...], device: str, listing: bool) -> None:
    """Measure the book's training runs that have no record yet, cheapest first; exit 1 if one failed."""
    from convbook.training import DeviceError, pick_device
    from courseware import measuring

    try:
        chosen = pick_device(device)
    except DeviceError as error:
        raise CourseError(str(error)) from None
    found = measuring.tasks(only, gpu=chosen.type == "cuda")
    if listing:
        measuring.print_table(found)
    elif not measuring.measure(found, find_root(), budget=budget, device=device, say=click.echo):
        fail("what failed is named above; run it by itself to see more", 1)


@main.group()
def bench() -> None:
    """Measure the course's code beside what one would otherwise use."""


def suite_options(repeats: int, turns: str, quick: str) -> Callable[[Function], Function]:
    """What every suite takes; `turns` and `quick` say what is repeated and what a quick run is."""
    options = (
        click.option(
            "--only", multiple=True, metavar="NAME", help="Only this case; may be given several times."
        ),
        click.option("--repeats", type=click.IntRange(min=1), default=repeats, show_default=True, help=turns),
        click.option(
            "--budget",
            type=click.FloatRange(min=0, min_open=True),
            metavar="SECONDS",
            help="Stop once they are used up.",
        ),
        click.option(
            "--output",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Default: where the book looks.",
        ),
        click.option("--quick", is_flag=True, help=f"{quick}; kept only with --output."),
    )

    def decorate(command: Function) -> Function:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@bench.command("training")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@suite_options(5, "Turns of each side.", "Tiny sizes, to see that everything runs")
@plainly
def bench_training(
    device: str, only: tuple[str, ...], repeats: int, budget: float | None, output: Path | None, quick: bool
) -> None:
    """Measure `fit` beside the usual loop, on a GPU also beside timm; exit 1 if a target is missed."""
    from courseware.bench import training
    from courseware.bench.turns import Bench

    setting = Bench(device, repeats, quick, budget, say=partial(click.echo, err=True))
    _measure(training.Suite(setting, training.select(device, only), only), output)


@bench.command("grading")
@suite_options(3, "Turns of each side.", "A tiny class, to see that everything runs")
@plainly
def bench_grading(
    only: tuple[str, ...], repeats: int, budget: float | None, output: Path | None, quick: bool
) -> None:
    """Measure `course grade` beside nbgrader and papermill, and its memory; exit 1 if a target is missed.

    nbgrader is installed once from the package index, into an environment of its own under .cache.
    """
    from courseware.bench import grading, training
    from courseware.bench.turns import Bench

    setting = Bench("cpu", repeats, quick, budget, say=partial(click.echo, err=True))
    cases = training.select("cpu", only, grading.CASES)
    _measure(training.Suite(setting, cases, only, grading.SUITE, grading.REPEATS), output)


@bench.command("pages")
@suite_options(1, "Looks at each page.", "Two pages, to see that everything runs")
@plainly
def bench_pages(
    only: tuple[str, ...], repeats: int, budget: float | None, output: Path | None, quick: bool
) -> None:
    """Let Lighthouse look at every built page, and time rendering; exit 1 if a target is missed.

    Lighthouse is installed once from npm, under .cache; Node.js must be there. An interrupted run goes on.
    """
    from courseware.bench import pages, training
    from courseware.bench.turns import Bench

    setting = Bench("cpu", repeats, quick, budget, say=partial(click.echo, err=True))
    cases = training.select("cpu", only, pages.CASES)
    _measure(training.Suite(setting, cases, only, pages.SUITE, pages.REPEATS), output)


def _measure(suite: "Suite", output: Path | None) -> None:
    """Run a suite, print and keep what came out, and say by the exit status whether targets were met."""
    from courseware.bench.result import save_result
    from courseware.bench.terminal import print_result

    try:
        suite.run()
    finally:  # Ctrl-C keeps what has been measured
        result = suite.result()
        print_result(result)
        if result.figures and (output or not suite.bench.quick):
            click.echo(f"wrote {save_result(result, output)}", err=True)
    if any(figure.verdict == "missed" for figure in result.figures):
        fail("a target was missed", 1)


@main.command("new-chapter")
@click.argument("name")
@plainly
def new_chapter(name: str) -> None:
    """Write chapters/NAME.ipynb with the parts every chapter has."""
    from courseware.scaffold import new_chapter

    path = new_chapter(find_root(), name)
    click.echo(f"wrote {path}")
    click.echo(f"next: add `- file: chapters/{name}` to its part in _toc.yml, then `course run {name}`")


@main.command()
@click.argument("names", nargs=-1, metavar="[LAB]...")
@click.option(
    "--output", "-o", type=click.Path(file_okay=False, path_type=Path), help="Folder (default: _build/labs)."
)
@click.option("--zip", "zipped", is_flag=True, help="Also write a zip file a lab, for a learning platform.")
@plainly
def release(names: tuple[str, ...], output: Path | None, zipped: bool) -> None:
    """Write the student versions of labs, without solutions."""
    from courseware.labs import pack, release

    root = find_root()
    sources = [path for path in select(root, names) if names or path.parent.name == "labs"]
    for source in sources:
        written = release(source, output or root / "_build" / "labs")
        click.echo(f"wrote {written}")
        if zipped:
            click.echo(f"wrote {pack(written)}")
    if not sources:
        fail("the course has no labs yet", 2)


@main.command()
@click.argument("lab")
@click.argument("submissions", type=click.Path(path_type=Path))
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), required=True, help="Folder for grades and pages."
)
@click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Processes here (default: one a core)."
)
@click.option("--scheduler", metavar="ADDRESS", help="Use the Dask cluster there: tcp://HOST:PORT.")
@click.option(
    "--sandbox",
    type=click.Choice(["bubblewrap", "container", "NONE"]),
    default="bubblewrap",
    show_default=True,
    help="What keeps students' code in; NONE trusts it with everything you may do.",
)
@click.option("--roster", type=click.Path(path_type=Path), metavar="FILE", help="CSV of all students.")
@click.option("--again", is_flag=True, help="Grade also what has been graded.")
@plainly
def grade(
    lab: str,
    submissions: Path,
    output: Path,
    workers: int | None,
    scheduler: str | None,
    sandbox: str,
    roster: Path | None,
    again: bool,
) -> None:
    """Grade the notebooks that students handed in for LAB; exit 1 if some could not be run.

    What has been graded before is not run again unless it changed.
    """
    from courseware.grading.progress import reporter
    from courseware.grading.run import grade

    if scheduler and workers:
        raise CourseError("--workers are processes of this machine; with --scheduler the cluster has its own")
    [source] = select(find_root(), [lab])
    try:
        with reporter() as display:
            found = grade(
                source,
                submissions,
                output,
                workers=workers,
                scheduler=scheduler,
                sandbox=sandbox,
                roster=roster,
                again=again,
                display=display,
            )
    except KeyboardInterrupt:
        rest = "without --again, this command goes on" if again else "the same command goes on from there"
        fail(f"interrupted; what is graded is kept in {output}: {rest}", 130)
    for line in found.not_run():
        click.echo(line, err=True)
    click.echo(found.summary())
    sys.exit(0 if found.complete else 1)


@main.command("sample-class")
@click.argument("lab")
@click.option("--students", type=int, default=12, show_default=True, help="How many.")
@click.option(
    "--output", "-o", type=click.Path(file_okay=False, path_type=Path), required=True, help="A new folder."
)
@plainly
def sample_class(lab: str, students: int, output: Path) -> None:
    """Invent a class that handed in LAB, with planted mistakes, to try grading on."""
    from courseware.grading.sample import write_class

    [source] = select(find_root(), [lab])
    written = write_class(source, output, students)
    click.echo(f"wrote {len(written)} submissions to {output / 'submissions'}, and {output / 'roster.csv'}")


@main.command("set-url")
@click.argument("url")
@click.option("--book", metavar="URL", help="Where the book is published (default: GitHub's pages).")
@plainly
def set_url(url: str, book: str | None) -> None:
    """Write the repository's URL into _config.yml and wherever it is copied to."""
    from courseware import repository

    root = find_root()
    new = repository.parse(url, book)
    changed = repository.set_url(root, new)
    for path in changed:
        click.echo(f"changed {path.relative_to(root)}")
    if not changed:
        click.echo(f"everything says {new.url} already")


if __name__ == "__main__":
    main()
