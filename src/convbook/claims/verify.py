"""Compare what papers print with what comes out."""

import math
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from convbook.claims.claim import Claim, load_claims
from convbook.claims.quantities import OTHER, QUANTITIES, compute

__all__ = ["STATUSES", "Verdict", "check", "count_statuses", "verify"]

WORTH_SHARING = 500  # claims
STATUSES = ("exact", "agrees", "differs", "measured", "not recomputed")


@dataclass(frozen=True)
class Verdict:
    """What became of one claim.

    ``ok`` is False for a surprise: a difference that the claims file does not declare, or a declared one
    that is none.
    """

    claim: Claim
    status: str  # one of STATUSES
    computed: float | None
    reason: str
    ok: bool = True


def verify(claims: Iterable[Claim] | None = None, *, jobs: int = 1) -> list[Verdict]:
    """Recompute claims, by default all of them; networks that several claims share are profiled once.

    Args:
        claims: None takes all.
        jobs: processes to share them out to; worth it for many claims, as each imports PyTorch anew.
    """
    wanted = load_claims() if claims is None else list(claims)
    if jobs == 1 or len(wanted) < WORTH_SHARING:
        return [_verdict(claim) for claim in wanted]
    places: dict[str, list[int]] = {}
    for place, claim in enumerate(wanted):
        places.setdefault(claim.model, []).append(place)
    found: dict[int, Verdict] = {}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        shares = pool.map(verify, ([wanted[i] for i in each] for each in places.values()))
        for each, verdicts in zip(places.values(), shares, strict=True):
            found.update(zip(each, verdicts, strict=True))
    return [found[place] for place in range(len(wanted))]


def check(paper: str | None = None, *, model: str | None = None, where: str | None = None) -> None:
    """Assert that nothing surprises, and print how many claims have which status.

    Raises:
        AssertionError: lists every surprise.
        ClaimError: there is no such paper, or nothing to check.
    """
    from convbook.claims.claim import ClaimError

    verdicts = verify(load_claims(paper, model, where))
    if not verdicts:
        raise ClaimError("no claim fits: nothing was checked")
    surprises = [v for v in verdicts if not v.ok]
    if surprises:
        lines = [f"- {v.claim.place} ({describe_claim(v.claim)}): {v.reason}" for v in surprises]
        raise AssertionError("\n".join([f"{len(surprises)} of {len(verdicts)} claims surprise:", *lines]))
    counts = count_statuses(verdicts)
    words = ", ".join(f"{n} {status}" for status, n in counts.items() if n)
    print(f"{paper or 'all papers'}: {len(verdicts)} claims, {words}; no surprise")


def count_statuses(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """Count each status, in the ledger's order."""
    counts = Counter(v.status for v in verdicts)
    return {status: counts[status] for status in STATUSES}


def describe_claim(claim: Claim) -> str:
    """The claim's subject in words: ``resnet50, parameters of layer1.1``."""
    text = f"{claim.model}, {QUANTITIES[claim.quantity].label}"
    return text + (f" of {claim.layer}" if claim.layer else "")


def _verdict(claim: Claim) -> Verdict:
    if claim.model.startswith(OTHER):
        why = claim.note or "a network that the paper compares with; the library does not hold it"
        return Verdict(claim, "not recomputed", None, why)
    if QUANTITIES[claim.quantity].of is None:
        return _measured(claim)
    try:
        computed = compute(claim)
    except (ValueError, TypeError, AttributeError) as error:
        return Verdict(claim, "differs", None, f"cannot be computed: {error}", ok=False)
    assert computed is not None
    status = _compare(claim, computed)
    if status == "differs":
        reason = (
            claim.reason or f"printed {claim.shown_as}, computed {computed:,.6g}, and no reason is declared"
        )
        return Verdict(claim, status, computed, reason, ok=bool(claim.reason))
    if claim.reason:
        return Verdict(claim, status, computed, "declared to differ, but agrees: drop its reason", ok=False)
    return Verdict(claim, status, computed, claim.note)


def _compare(claim: Claim, computed: float) -> str:
    if computed == claim.value:
        return "exact"
    # Half a step of the last printed digit; the margin forgives binary fractions, nothing else.
    near = abs(computed - claim.value) <= claim.unit / 2 * (1 + 1e-9)
    return "agrees" if near and not math.isnan(computed) else "differs"


def _measured(claim: Claim) -> Verdict:
    """Look for records of runs of this very network on this data."""
    quantity = QUANTITIES[claim.quantity]
    runs = _runs(claim)
    if not runs:
        return Verdict(claim, "not recomputed", None, claim.note or quantity.why)
    figures = [error if claim.quantity.endswith("error") else 100 - error for _, error in runs]
    data = ", ".join(sorted({name for name, _ in runs}))
    reason = f"{len(runs)} run{'s' if len(runs) > 1 else ''} on {data}, final epoch, this book's recipe"
    return Verdict(claim, "measured", sum(figures) / len(figures), reason)


def _runs(claim: Claim) -> list[tuple[str, float]]:
    """(data, error in per cent) of each recorded run."""
    wanted = QUANTITIES[claim.quantity].data
    if not wanted:
        return []
    try:
        from convbook.records import load_records
    except ImportError:
        return []
    changed = _essential(claim.overrides)
    return [
        (record.data, 100 * (1 - record.final["val_accuracy"]))
        for record in load_records(model=claim.model)
        if record.data in wanted and _essential(record.options) == changed
    ]


def _essential(options: dict[str, Any]) -> dict[str, Any]:
    """What makes it another network; the numbers of classes and channels come with the data."""
    return {k: v for k, v in options.items() if k not in ("num_classes", "in_channels")}
