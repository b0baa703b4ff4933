"""Networks by year, error and size: what the timeline is drawn from."""

from typing import Any

from convbook.claims.claim import Claim, load_claims
from convbook.claims.quantities import profile_of
from convbook.models import describe, list_models
from convbook.models.registry import IMAGENET

__all__ = ["best_of_each_paper", "networks"]


def networks() -> list[dict[str, Any]]:
    """Return one dictionary an ImageNet network: its printed top-1 error, its computed size.

    Keys: ``name``, ``year``, ``top1_error`` in per cent or None, ``protocol`` of that error and ``paper``
    that printed it, ``params`` and ``macs``. A single crop is preferred, so that errors compare.
    """
    found: dict[str, list[Claim]] = {}
    for each in load_claims():
        if each.quantity in ("top1_error", "top1_accuracy") and not (each.overrides or each.input_size):
            found.setdefault(each.model, []).append(each)
    rows = []
    for name in list_models():
        spec = describe(name)
        if spec.num_classes != IMAGENET["num_classes"]:
            continue
        size = profile_of(name, {})
        errors = sorted(found.get(name, []), key=lambda c: "single crop" not in c.protocol)
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
    return round(100 - claim.value, 4) if claim.quantity == "top1_accuracy" else claim.value
