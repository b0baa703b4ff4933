"""What stands in the book: the pages of `_toc.yml`, and the notebooks among them executed and made ready."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from courseware import labs
from courseware.execute import TIMEOUT, Outcome, Reporter, execute
from courseware.notebooks import Notebook, dumps, list_notebooks, read, tags

Say = Callable[[str], None]

STAGED = ".staged"  # marks a folder whose notebooks are executed copies
SUFFIXES = (".ipynb", ".md")
# What stands on the button that unfolds a cell, by the cell's tag.
PROMPTS = {
    "setup": "the set-up",
    "hide-cell": "the solution's code",
    "hide-output": "the output",
    "hide-input": "the code",
}


class RenderError(RuntimeError):
    """The pages could not be built; the message says why and where to look."""


def prepare(
    root: Path,
    *,
    jobs: int | None = None,
    parameters: dict[str, Any] | None = None,
    timeout: float = TIMEOUT,
    force: bool = False,
    reporter: Reporter | None = None,
    say: Say = print,
) -> dict[str, str]:
    """Execute every notebook of the book; return the text of each notebook page, ready to be rendered.

    A chapter's page is its executed copy. A lab is executed too, solutions and all, but its page is the
    version that students get.

    Raises:
        RenderError: naming each page that is missing and each notebook that failed.
    """
    found = sources(root, "*.ipynb")
    _require_listed(root, found)
    say(f"executing {len(found)} notebooks, or taking them from the cache")
    outcomes = execute(
        found.values(),
        parameters,
        jobs=jobs,
        timeout=timeout,
        force=force,
        root=root,
        reporter=reporter,
    )
    failed = [outcome for outcome in outcomes if not outcome.ok]
    if failed:
        raise RenderError("\n".join(["notebooks failed, so the book was not built:", *map(_line, failed)]))
    pages = {}
    for page, outcome in zip(found, outcomes, strict=True):
        assert outcome.output is not None
        notebook = student_page(found[page]) if is_lab(page) else read(outcome.output)
        pages[page] = dumps(dress(notebook)).decode()
    return pages


def student_page(source: Path) -> Notebook:
    """Return the version of a lab that students get, without outputs."""
    return labs.student_version(read(source), source.name)


def dress(notebook: Notebook) -> Notebook:
    """Fold the set-up cell away and say on each folded cell what it holds."""
    cells = []
    for cell in notebook["cells"]:
        tagged = tags(cell)
        prompt = next((words for tag, words in PROMPTS.items() if tag in tagged), None)
        if cell["cell_type"] == "code" and prompt:
            metadata = dict(cell["metadata"])
            if "setup" in tagged:
                metadata["tags"] = [*tagged, "hide-input"]
            words = {"code_prompt_show": f"Show {prompt}", "code_prompt_hide": f"Hide {prompt}"}
            metadata["mystnb"] = {**words, **metadata.get("mystnb", {})}
            cell = dict(cell, metadata=metadata)
        cells.append(cell)
    return dict(notebook, cells=cells)


def is_lab(page: str) -> bool:
    """Whether a page's notebook is a lab, whose source holds the solutions."""
    return page.startswith("labs/")


def sources(root: Path, pattern: str = "*") -> dict[str, Path]:
    """Return the source file of every page in `_toc.yml`, in the book's order.

    Raises:
        RenderError: if the table of contents cannot be read, or names a page that is not there.
    """
    toc = root / "_toc.yml"
    try:
        names = list(_pages(yaml.safe_load(toc.read_text("utf-8"))))
    except (OSError, yaml.YAMLError) as error:
        raise RenderError(f"cannot read the table of contents {toc}: {error}") from None
    if "index" not in names:
        raise RenderError(f"{toc} must have `root: index`, or the book has no front page")
    found, missing = {}, []
    for name in names:
        name = name.removesuffix(".ipynb").removesuffix(".md")
        files = [root / f"{name}{suffix}" for suffix in SUFFIXES if (root / f"{name}{suffix}").is_file()]
        if files:
            found[name] = files[0]
        else:
            missing.append(name)
    if missing:
        raise RenderError(f"_toc.yml lists pages that do not exist: {', '.join(missing)}")
    return {name: path for name, path in found.items() if path.match(pattern)}


def parts(root: Path) -> dict[str, str]:
    """Return the caption of the part that each page stands in, by `_toc.yml`."""
    toc = yaml.safe_load((root / "_toc.yml").read_text("utf-8"))
    return {
        str(chapter["file"]): str(part["caption"])
        for part in toc.get("parts", ())
        for chapter in part.get("chapters", ())
        if "caption" in part
    }


def _pages(node: Any) -> Iterator[str]:
    """Yield the page names in a table of contents, front page first."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("root", "file"):
                yield str(value)
            else:
                yield from _pages(value)
    elif isinstance(node, list):
        for item in node:
            yield from _pages(item)


def _require_listed(root: Path, found: dict[str, Path]) -> None:
    """Refuse a chapter or lab that readers could not reach."""
    stray = [path for path in list_notebooks(root) if path not in found.values()]
    if stray:
        names = ", ".join(str(path.relative_to(root).with_suffix("")) for path in stray)
        raise RenderError(f"not in _toc.yml, so no reader would find it: {names}; add it, or move it out")


def _line(outcome: Outcome) -> str:
    where = f" (partial copy: {outcome.output})" if outcome.output else ""
    return f"  {outcome.path.name}: {outcome.status}: {outcome.error}{where}"
