"""`course bench pages`: what Lighthouse says of every page, and how long rendering takes."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType

from courseware import contents, render, repository
from courseware.bench import lighthouse
from courseware.bench.case import Case
from courseware.bench.figure import Figure, Target, at_least, at_most
from courseware.bench.lighthouse import SLOWDOWN, Unavailable, View
from courseware.bench.turns import Bench
from courseware.notebooks import CourseError, find_root
from courseware.serve import make_server

SUITE = "pages"
REPEATS = 1  # of each page: a look takes a quarter of a minute
BESIDES = ("search", "genindex", "404")  # pages that no source file stands for
QUICK = 2  # pages of a quick run

Reader = Callable[[View], float]
# What is read off each page, what it is, and the bound; the worst page is held against it.
READINGS: MappingProxyType[str, tuple[Reader, str, Target]] = MappingProxyType(
    {
        "performance": (lambda view: view.scores["performance"], "score", at_least(95)),
        "accessibility": (lambda view: view.scores["accessibility"], "score", at_least(95)),
        "best practices": (lambda view: view.scores["best-practices"], "score", at_least(95)),
        "search engines": (lambda view: view.scores["seo"], "score", at_least(95)),
        "first contentful paint": (lambda view: view.paint, "seconds", at_most(1)),
        "total blocking time": (lambda view: view.blocking, "seconds", at_most(0.2)),
        "transferred at first view": (lambda view: view.transferred / 1e6, "megabytes", at_most(1.5)),
    }
)


class Looks(Case):
    """Every page of the built book; of several looks at one the one with the best performance counts."""

    name, device = "lighthouse", "cpu"
    title = f"The worst page, on a phone with a processor slowed down {SLOWDOWN} times, from the local server"
    against = "nothing; the bounds are absolute"
    kinds = MappingProxyType({part: kind for part, (_, kind, _) in READINGS.items()})
    targets = MappingProxyType({part: target for part, (_, _, target) in READINGS.items()})

    def run(self, bench: Bench) -> Iterator[Figure]:
        """Serve the book and look at each page; reports are kept, so that an interrupted run goes on."""
        root = find_root()
        html = root / "_build" / "html"
        if not (html / "index.html").is_file():
            raise CourseError("the book is not built yet: run `make book` (or `course build`) first")
        kept = root / ".cache" / "lighthouse"
        names = [*contents.sources(root), *BESIDES][: bench.size(1000, QUICK)]
        try:
            program = lighthouse.install(kept)
            prefix = repository.load(root).prefix
            views = look_at(bench, html, prefix, names, program, kept / lighthouse.digest(html))
        except Unavailable as why:
            yield from (self.missing(part, str(why)) for part in self.targets)
            return
        for part, (read, _, target) in READINGS.items():
            found = {name: read(view) for name, view in views.items()}
            worst = sorted(found, key=lambda name: found[name], reverse=not target.least)
            listed = ", ".join(f"{name} {found[name]:.3g}" for name in worst[:3])
            note = f"{part} of {len(found)} pages, the worst: {listed}"
            absent = [name for name in names if name not in views]
            note += f"; too much for Lighthouse: {', '.join(absent)}" if absent else ""
            yield self.figure(part, [found[worst[0]]], unit="", needed=1, note=note)


def look_at(
    bench: Bench, html: Path, prefix: str, names: list[str], program: Path, kept: Path
) -> dict[str, View]:
    """Name -> the best look at each page that Lighthouse can judge, one after the other."""
    server = make_server(html, 0, prefix)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    views = {}
    try:
        for number, name in enumerate(names, start=1):
            bench.check_time()
            address = f"http://127.0.0.1:{server.server_port}{prefix}{name}.html"
            files = [kept / f"{name.replace('/', '-')}-{turn}.json" for turn in range(bench.repeats)]
            try:
                looks = [lighthouse.look(program, address, file) for file in files]
            except lighthouse.OutOfPatience:
                bench.say(f"  {number} of {len(names)}: {name}: too much for Lighthouse, not judged")
                continue
            views[name] = view = max(looks, key=lambda each: each.scores["performance"])
            bench.say(f"  {number} of {len(names)}: {line(name, view)}")
    finally:
        server.shutdown()
    return views


def line(name: str, view: View) -> str:
    """A look in a line."""
    scores = " ".join(f"{score:.0f}" for score in view.scores.values())
    failed = f"; not passed: {', '.join(view.failed)}" if view.failed else ""
    return (
        f"{name}: {scores}; paint {view.paint:.2f} s, blocked {1000 * view.blocking:.0f} ms, "
        f"{view.transferred / 1000:.0f} kB ({view.unpacked / 1000:.0f} kB unpacked){failed}"
    )


class Rendering(Case):
    """Rendering, with every notebook's executed copy at hand."""

    name, device, kind = "render", "cpu", "seconds"
    title = "Rendering the book"
    against = "nothing; the bounds are absolute"
    targets = MappingProxyType({"nothing executed": at_most(60), "one chapter changed": at_most(15)})

    def run(self, bench: Bench) -> Iterator[Figure]:
        """Render into a folder of its own: all pages, then all again after a word in one chapter changed."""
        root = find_root()
        pages = contents.prepare(root, say=bench.say)
        render.show(root, pages, root / "_build" / "html", say=bench.say)  # computes what is kept
        chapter = next(name for name in pages if not contents.is_lab(name))
        times: dict[str, list[float]] = {part: [] for part in self.targets}
        for turn in range(bench.repeats):
            bench.check_time()
            with tempfile.TemporaryDirectory(prefix="course-bench-") as place:
                out = Path(place, "html")
                for part, shown in zip(times, (pages, changed(pages, chapter, turn)), strict=True):
                    start = time.perf_counter()
                    contents.prepare(root, say=lambda said: None)  # finds every executed copy
                    render.show(root, shown, out, say=bench.say)
                    times[part].append(time.perf_counter() - start)
                shutil.rmtree(out)
        for part, taken in times.items():
            yield self.figure(part, taken, unit="s", needed=1, note=f"{len(contents.sources(root))} pages")


def changed(pages: dict[str, str], name: str, turn: int) -> dict[str, str]:
    """The pages with a sentence more in one chapter's first text."""
    notebook = json.loads(pages[name])
    cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    cell["source"] = [*cell["source"], f"\n\nChanged {turn + 1} times."]
    return pages | {name: json.dumps(notebook)}


CASES: tuple[Case, ...] = (Looks(), Rendering())
