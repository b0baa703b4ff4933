"""What the literature says, and what comes out when it is computed again.

One TOML a paper, named after its key in the references. ``verify`` answers for every claim, ``check``
is what chapters end in, ``ledger_html`` is the book's page of all claims. The fields of a claim are
listed in :class:`convbook.claims.claim.Claim`.
"""

from convbook.claims.claim import Claim, ClaimError, Paper, load_claims, load_papers
from convbook.claims.ledger import ledger_html
from convbook.claims.networks import best_of_each_paper, networks
from convbook.claims.recipes import PaperRecipe, find_recipe, published_markdown
from convbook.claims.tables import ClaimTable, table
from convbook.claims.verify import STATUSES, Verdict, check, verify

__all__ = [
    "STATUSES",
    "Claim",
    "ClaimError",
    "ClaimTable",
    "Paper",
    "PaperRecipe",
    "Verdict",
    "best_of_each_paper",
    "check",
    "find_recipe",
    "ledger_html",
    "load_claims",
    "load_papers",
    "networks",
    "published_markdown",
    "table",
    "verify",
]
