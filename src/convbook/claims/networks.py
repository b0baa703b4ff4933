"""Networks by year, error and size: what the map of networks is drawn from."""

from collections.abc import Callable, Collection
from typing import Any

from convbook.claims.claim import Claim, load_claims
from convbook.claims.quantities import profile_of
from convbook.models import describe, list_models
from convbook.models.registry import CIFAR, IMAGENET

__all__ = ["best_of_each_paper", "networks", "networks_on"]

KIND = {"imagenet": IMAGENET, "cifar10": CIFAR}
QUANTITIES = {
    "imagenet": ("top1_error", "top1_accuracy"),
    "cifar10": ("cifar10_error", "cifar10_accuracy"),
}


def networks_on(data: str) -> list[str]:
    """Names of the registered networks for ``"imagenet"`` or ``"cifar10"``, as their papers trained them."""
    kind = KIND[data]
    specs = [describe(name) for name in list_models()]
    return [
        spec.name
        for spec in specs
        if spec.num_classes == kind["num_classes"] and spec.input_size[0] == kind["input_size"][0]
    ]


def networks(data: str = "imagenet", names: Collection[str] | None = None) -> list[dict[str, Any]]:
    """Return one dictionary a network: its printed top-1 error, its computed size.

    Keys: ``name``, ``year``, ``top1_error`` in per cent or None, ``protocol`` of that error and ``paper``
    that printed it, ``params`` and ``macs``. So that errors compare, a single crop is preferred on ImageNet;
    on CIFAR-10 what the network's own paper printed, with augmentation, and no best of several runs.

    Args:
        data: ``"imagenet"`` or ``"cifar10"``.
        names: the networks to take; by default all of ``networks_on(data)``.
    """
    found: dict[str, list[Claim]] = {}
    for each in load_claims():
        if each.quantity in QUANTITIES[data] and not (each.overrides or each.input_size):
            found.setdefault(each.model, []).append(each)
    rows = []
    for name in networks_on(data):
        if names is not None and name not in names:
            continue
        spec = describe(name)
        size = profile_of(name, {})
        errors = sorted(found.get(name, []), key=_preference[data])
        claim = errors[0] if errors else None
        rows.append(
            {
                "name": name,
                "year": spec.year,
                "top1_error": None if claim is None else _error(claim),
                "protocol": "" if claim is None else claim.protocol,
                "paper": spec.paper if claim is None else claim.paper,
                "params": size.params,
                "macs": size.macs,
            }
        )
    return sorted(rows, key=lambda row: (row["year"], row["params"]))


_preference: dict[str, Callable[[Claim], Any]] = {
    "imagenet": lambda c: "single crop" not in c.protocol,
    "cifar10": lambda c: (
        c.paper != describe(c.model).paper,
        "no augmentation" in c.protocol,
        "best of" in c.protocol,
    ),
}


def best_of_each_paper(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep, of the networks that one paper published with an error, the one with the lowest."""
    best: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["top1_error"] is None:
            continue
        key = describe(row["name"]).paper
        if key not in best or row["top1_error"] < best[key]["top1_error"]:
            best[key] = row
    return list(best.values())


def _error(claim: Claim) -> float:
    return round(100 - claim.value, 4) if claim.quantity.endswith("accuracy") else claim.value
