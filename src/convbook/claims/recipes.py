"""How each network was trained by its authors, and how the course trains it.

The tables ``[[recipe]]`` stand in the file of the paper that introduced the network. ``published`` is what
the paper prints, under the names of ``convbook.training.Recipe`` where it has one, in words for the rest;
what the paper does not print is absent. ``course`` is settings of ``Recipe`` for one GPU.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from convbook.claims.claim import FOLDER, ClaimError, check_fields, load_papers, read_sections
from convbook.models import describe

__all__ = ["PaperRecipe", "find_recipe", "published_markdown"]


@dataclass(frozen=True)
class PaperRecipe:
    """A paper's way of training some networks beside the course's."""

    paper: str  # its key in references.bib
    models: tuple[str, ...]  # names or patterns of registered networks
    where: str  # section of the paper; empty where nothing published is recorded
    data: str
    published: dict[str, Any]
    course: dict[str, Any]  # empty where the course trains no such network
    note: str  # why the course departs from the paper
    from_memory: bool = False  # whether ``published`` still waits to be compared with the paper's text


def find_recipe(model: str) -> PaperRecipe:
    """The recipe of a registered network.

    Raises:
        UnknownModelError: no network has this name; the message has the nearest ones.
        ClaimError: its paper's file holds no recipe for it, or several.
    """
    paper = describe(model).paper
    fitting = [
        recipe for recipe in _load_recipes(paper) if any(fnmatchcase(model, name) for name in recipe.models)
    ]
    if len(fitting) != 1:
        raise ClaimError(f"{paper}.toml has {len(fitting) or 'no'} [[recipe]] for {model}: it needs one")
    return fitting[0]


def published_markdown(model: str) -> str:
    """The paper's settings beside the course's: a table in Markdown, with the note beneath."""
    recipe = find_recipe(model)
    paper = load_papers()[recipe.paper].short
    place = f"{paper}, {recipe.where}" if recipe.where else paper
    rows = [[recipe.data, place, "This course"], ["---"] * 3]
    for key in dict.fromkeys([*recipe.published, *recipe.course]):
        cells = (_shown(settings.get(key)) for settings in (recipe.published, recipe.course))
        rows.append([key.replace("_", " "), *cells])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    memory = " The paper's side is from memory." if recipe.from_memory else ""
    return f"{table}\n\n{recipe.note}{memory}"


def _load_recipes(paper: str) -> list[PaperRecipe]:
    path = FOLDER / f"{paper}.toml"
    if not path.is_file():
        raise ClaimError(f"there is no {path.name}: write one with a [paper] and a [[recipe]]")
    recipes = []
    for number, entry in enumerate(read_sections(path).get("recipe", []), start=1):
        given = {"paper": paper, **entry}
        check_fields(given, PaperRecipe, f"{path.name}, recipe {number}")
        recipes.append(PaperRecipe(**given | {"models": tuple(given["models"])}))
    return recipes


def _shown(value: Any) -> str:
    """A setting as a table shows it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
