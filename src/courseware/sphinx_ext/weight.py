"""What a page loads, cut down to what it uses."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from urllib.parse import unquote

from sphinx.application import Sphinx

from courseware.sphinx_ext import fonts, icons, stylesheets

_CODE = re.compile(r'(?<=<div class="highlight">)<pre>.*?</pre>', re.DOTALL)
_SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script>", re.DOTALL)
_VIEWPORT = re.compile(r'\s*<meta name="viewport"[^>]*>')
_PRELOADED = re.compile(r'\s*<link rel="preload" as="script"[^>]*>')
_ADDRESS = re.compile(r'(href|src)="([^"]*?)_static/')
_ONLY_SEARCH = ("searchtools.js", "language_data.js", "searchindex.js")  # 200 kB, for one page
_UNUSED = ("fontawesome.js",)  # its icons are drawn in the page
_OPTIONS = "documentation_options.js"
# The theme measures every block of code at load and after each change of the page, for keyboards' sake.
# That lays out the whole page; book.js does the same for what comes into sight.
_MEASURES_ALL = '"complete"===document.readyState?I():window.addEventListener("load",I)'
# A button beside each block of code: a long page has eighty, and most are never come to.
_ADDS_BUTTON = "codeCell.insertAdjacentHTML('afterend', clipboardButton(id))"
_ADDS_WHEN_NEAR = """
    const add = () => {
      near.disconnect()
      removeEventListener('keydown', addForKeys)
      codeCell.insertAdjacentHTML('afterend', clipboardButton(id))
    }
    const addForKeys = (event) => event.key === 'Tab' && add()
    const seen = (entries) => entries.some((entry) => entry.isIntersecting) && add()
    const near = new IntersectionObserver(seen, { rootMargin: '50% 0px' })
    near.observe(codeCell)
    addEventListener('keydown', addForKeys)
"""
# The theme's two scripts ready the page in some fifteen steps: one after the other, but not in one breath.
_READY = '"loading"!=document.readyState?{}:'
_STEPS = {_READY.format(f"{step}()"): _READY.format(f"setTimeout({step})") for step in "et"}
_PATCHES = {_MEASURES_ALL: "0", _ADDS_BUTTON: _ADDS_WHEN_NEAR, **_STEPS}
# On a first visit the page would begin with no theme, and be styled again once the theme's script has one.
_GUESS = 'dataset.theme = localStorage.getItem("theme") || "auto"'
_DECISION = (
    'dataset.theme = ((mode) => mode !== "auto" ? mode : matchMedia("(prefers-color-scheme: dark)").matches '
    '? "dark" : "light")(document.documentElement.dataset.mode)'
)
_PICTURE = re.compile(r'="(?:[^"]*/)?([^"/]*\.(?:svg|webp|png|jpe?g|gif))"')
_ICON_FONTS = ("fa-solid-900", "fa-regular-400", "fa-brands-400")


def lighten(page: str, pagename: str, options: str) -> str:
    """Return a page whose scripts wait for its text, and with no script that it does not use.

    Args:
        page: the whole HTML page.
        pagename: its name in the table of contents.
        options: the content of Sphinx's own script of options, which is set within the page.
    """
    unwanted = _UNUSED if pagename == "search" else (*_UNUSED, *_ONLY_SEARCH)

    def edit(found: re.Match[str]) -> str:
        attributes, body = found.groups()
        if any(name in attributes for name in unwanted):
            return ""
        if _OPTIONS in attributes:
            return f"<script>{' '.join(options.split())}</script>"
        if "src=" in attributes and not re.search(r"\b(defer|async|module)\b", attributes):
            attributes += " defer"
        return f"<script{attributes}>{body}</script>"

    page = _PRELOADED.sub("", _SCRIPT.sub(edit, page)).replace(_GUESS, _DECISION)
    first = _VIEWPORT.search(page)
    if first:
        page = page[: first.end()] + _VIEWPORT.sub("", page[first.end() :])
    if "<math" in page:
        up = _ADDRESS.search(page)
        font = f"{up[2] if up else ''}_static/{fonts.MATH}"
        link = f'<link rel="preload" as="font" type="font/woff2" crossorigin href="{font}">'
        page = page.replace("</title>", f"</title>\n{link}", 1)
    return icons.draw_icons(page)


def without_tokens(page: str, plain: Collection[str]) -> str:
    """Return a page whose code marks only the words that have a colour, and runs of one colour once.

    Args:
        page: the whole HTML page.
        plain: the classes of words that look like the text around them.
    """
    if not plain:
        return page
    colourless = re.compile(rf'<span class="(?:{"|".join(sorted(plain))})">([^<]*)</span>')
    again = re.compile(r'(<span class="(\w+)">[^<]*)</span><span class="\2">')

    def edit(found: re.Match[str]) -> str:
        code, changes = colourless.sub(r"\1", found[0]), 1
        while changes:
            code, changes = again.subn(r"\1", code)
        return code

    return _CODE.sub(edit, page)


def trim(app: Sphinx, exception: Exception | None) -> None:
    """Leave in style sheets and fonts what the finished pages use."""
    if exception is not None or app.builder.format != "html":
        return
    static = Path(app.outdir, "_static")
    if not (static / "pygments.css").exists():
        return  # nothing was out of date, and what stands there is trimmed
    files = [path for path in Path(app.outdir).rglob("*.html") if static not in path.parents]
    plain = stylesheets.plain_tokens((static / "pygments.css").read_text("utf-8"))
    before = {path: path.read_text("utf-8") for path in files}
    pages = {path: without_tokens(page, plain) for path, page in before.items()}
    (static / fonts.MATH).write_bytes(fonts.math_font(fonts.in_formulas(pages.values())))
    scripts = {path: path.read_text("utf-8") for path in static.rglob("*.js") if path.name not in _UNUSED}
    for path, script in scripts.items():
        patched = script
        for part, other in _PATCHES.items():
            patched = patched.replace(part, other)
        if patched != script:
            path.write_text(patched, "utf-8")
    words = stylesheets.words_of([*pages.values(), *scripts.values()])
    for sheet in static.rglob("*.css"):
        sheet.write_text(stylesheets.purge(sheet.read_text("utf-8"), words), "utf-8")
    pages |= stylesheets.as_one(pages, static)
    for path, page in pages.items():
        if page != before[path]:
            path.write_text(page, "utf-8")
    named = {unquote(name) for page in pages.values() for name in _PICTURE.findall(page)}
    for path in [*Path(app.outdir, "_images").glob("*"), *(static / "cards").glob("*")]:
        if path.name not in named:  # left from a page as it was
            path.unlink()
    signs = fonts.in_styles(path.read_text("utf-8") for path in static.rglob("*.css"))
    for name in _ICON_FONTS:
        folder = static / "vendor" / "fontawesome" / "webfonts"
        (folder / f"{name}.woff2").write_bytes(fonts.subset(icons.FONTS / f"{name}.ttf", frozenset(signs)))
        (folder / f"{name}.ttf").unlink(missing_ok=True)
    for path in [*static.rglob("*.map"), *static.rglob("fontawesome.js")]:
        path.unlink()


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("build-finished", trim, priority=900)
