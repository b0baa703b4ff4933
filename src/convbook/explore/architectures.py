"""Every network of the registry, stage by stage, at several resolutions and widths."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from convbook.explore.blueprint import Blueprint
from convbook.explore.shell import Explorable, ExplorableError
from convbook.models import describe, list_models
from convbook.tables import html_table

# Pairs worth a look; a page opens with the first.
PAIRS = (
    ("resnet50", "densenet121"),
    ("vgg16", "googlenet"),
    ("plain34", "resnet34"),
    ("resnet50", "resnext50_32x4d"),
    ("mobilenet_v1", "mobilenet_v2"),
    ("scse", "linknet"),
)


def architectures(*names: str) -> Explorable:
    """Draw one network, or two side by side: stages, layers, parameters, MACs and activations.

    Args:
        *names: networks that can be chosen, of which the first two are shown; none for the whole registry.

    Raises:
        ExplorableError: for a name that no network has.
    """
    known = list_models()
    for wrong in set(names) - set(known):
        near = get_close_matches(wrong, known, n=3)
        hint = f"did you mean {', '.join(near)}?" if near else "list_models() gives all names"
        raise ExplorableError(f"no network is called {wrong!r}: {hint}")
    chosen = list(dict.fromkeys(names)) or known
    pairs = [list(pair) for pair in PAIRS if set(pair) <= set(chosen)] if len(chosen) > 2 else []
    blueprints = {name: Blueprint(name) for name in chosen}
    rows = [index_row(blueprint) for blueprint in blueprints.values()]
    return Explorable(
        "architectures",
        {"networks": rows, "pairs": pairs, "shown": chosen[:2] if names else pairs[0]},
        title="Networks, stage by stage",
        alt="One network or two are drawn stage by stage and listed layer by layer, with parameters, MACs "
        "and activations; network, resolution and width can be changed.",
        fallback=_fallback(rows),
        parts={name: blueprint.pack() for name, blueprint in blueprints.items()},
    )


def index_row(blueprint: Blueprint) -> dict[str, Any]:
    """What can be said of a network before its layers are loaded."""
    spec, whole = describe(blueprint.name), blueprint.whole
    return {
        "name": spec.name,
        "family": spec.family,
        "year": spec.year,
        "size": list(spec.input_size),
        "params": whole.params,
        "macs": whole.macs,
        "activations": sum(row.activations for row in whole.rows),
    }


def _fallback(rows: list[dict[str, Any]]) -> str:
    return html_table(
        "The networks at their published size",
        ["Network", "Family", "Year", "Image", "Parameters", "MACs"],
        [
            [
                row["name"],
                row["family"],
                str(row["year"]),
                " × ".join(map(str, row["size"])),
                f"{row['params']:,}",
                f"{row['macs']:,}",
            ]
            for row in rows
        ],
        numeric={2, 4, 5},
    )
