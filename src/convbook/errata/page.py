"""The book's page of slips, as MyST Markdown: each with its computation and what came out."""

from collections import Counter

from convbook.errata.erratum import KINDS, Finding, load_errata, settle

__all__ = ["SUBJECTS", "errata_markdown"]

SUBJECTS = {  # file -> heading, in the page's order
    "spatial": "LeNet, AlexNet, network in network, VGG",
    "inception": "Inception and batch normalisation",
    "depth": "Residual and dense networks",
    "width": "Width and cardinality",
    "small": "Small networks",
    "attention": "Attention",
    "operators": "Pooling, strides and other operators",
    "simple": "Simple networks and design principles",
    "distillation": "Distillation and Net2Net",
    "multiscale": "Multi-scale and adaptive networks",
}


def errata_markdown() -> str:
    """Return the page's body: counts, then the slips by subject, those without a computation last."""
    findings = [settle(each.number) for each in load_errata()]
    counts = Counter(finding.erratum.kind for finding in findings)
    summary = "\n".join(f"- **{counts[kind]}** marked *{kind}*: {meaning}" for kind, meaning in KINDS.items())
    parts = [f"## At a glance\n\n{len(findings)} statements were looked into:\n\n{summary}\n"]
    for subject, heading in SUBJECTS.items():
        of_subject = [f for f in findings if f.erratum.subject == subject and f.erratum.compute]
        parts += [f"## {heading}\n", *map(_section, of_subject)]
    parts.append("## Not settled by computing\n")
    parts += [_section(f) for f in findings if f.erratum.compute is None]
    return "\n".join(parts)


def _section(finding: Finding) -> str:
    each = finding.erratum
    sources = f" {{cite}}`{','.join(each.papers)}`" if each.papers else ""
    lines = [
        f"(erratum-{each.number})=",
        f"### {each.number}. {each.title}",
        "",
        f"*{each.kind.capitalize()}*, in {each.source}: {each.said}",
        "",
        f"{each.right}{sources}",
        "",
    ]
    if each.compute is not None:
        lines += [
            f"**Computed:** {finding.result}",
            "",
            ":::{dropdown} The computation",
            "```python",
            each.code.rstrip(),
            "```",
            ":::",
            "",
        ]
    return "\n".join(lines)
