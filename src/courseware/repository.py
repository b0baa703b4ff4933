"""The repository's address: it stands in `_config.yml` (`repository.url`), and is copied from there.

Notebooks' set-up cells, the README, the citation and the package's metadata cannot read `_config.yml`, so
`course set-url` writes the address into them, and a test holds that all of them agree.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from courseware.notebooks import CourseError, write_atomic

URL = r"https://[\w.-]+/[\w.-]+/[\w-]+(?:\.(?!git\b)\w[\w-]*)*"
SETUP = """\
import sys

if "google.colab" in sys.modules:  # elsewhere the package is already installed
    %pip install --quiet "convbook @ git+{url}"
"""
# Where an address of the repository or of the book stands, whatever it says now.
REPOSITORY_PLACES = (
    rf"git\+({URL})",
    rf"git clone (?:--?\S+ )*({URL})",
    rf"^repository-code: \"?({URL})",
    rf"^Repository = \"({URL})",
    rf"^repository:\n(?:  .*\n)*?  url: \"?({URL})",
)
BOOK_PLACES = (
    r"^url: \"?(https://[^\s\"]+)",
    r"^Book = \"(https://[^\s\"]+)",
    r"^ +baseurl: \"?(https://[^\s\"]+)",
    r"^ +ogp_site_url: \"?(https://[^\s\"]+)",
)
PREFIX_PLACE = r"^ +notfound_urls_prefix: \"?(/[^\s\"]*)"
FILES = ("*.md", "*.cff", "pyproject.toml", "_config.yml", "chapters/*.ipynb", "labs/*.ipynb")


@dataclass(frozen=True)
class Repository:
    """Where the sources and the published book live.

    `url` has no `.git` and no slash at its end; `book` ends in a slash.
    """

    url: str
    book: str

    @property
    def setup_source(self) -> str:
        """The set-up cell of every notebook."""
        return SETUP.format(url=self.url).rstrip("\n")

    @property
    def prefix(self) -> str:
        """The path of the book on its host, with slashes at both ends."""
        return urlsplit(self.book).path


def load(root: Path) -> Repository:
    """Read the addresses from `_config.yml`.

    Raises:
        CourseError: if they are not there.
    """
    import yaml

    try:
        config = yaml.safe_load((root / "_config.yml").read_text("utf-8"))
        return parse(config["repository"]["url"], config["html"]["baseurl"])
    except FileNotFoundError:
        raise CourseError(f"{root} has no _config.yml, which holds the repository's URL") from None
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise CourseError(f"_config.yml needs repository.url and html.baseurl ({error!r})") from None


def parse(url: str, book: str | None = None) -> Repository:
    """Check and normalise the addresses; GitHub's pages are derived from the repository's.

    Raises:
        CourseError: if `url` is not https://HOST/OWNER/NAME, or `book` is missing and cannot be derived.
    """
    url = url.strip().rstrip("/").removesuffix(".git")
    if not re.fullmatch(URL, url):
        raise CourseError(f"{url!r} is no repository's URL: give https://HOST/OWNER/NAME")
    if book is None:
        parts = urlsplit(url)
        owner, name = parts.path.strip("/").split("/")
        if parts.netloc != "github.com":
            raise CourseError(f"where {parts.netloc} publishes pages is not known here: add --book URL")
        host = f"{owner.lower()}.github.io"
        book = f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"
    if not re.fullmatch(r"https://[\w.-]+(/[\w./-]*)?", book):
        raise CourseError(f"{book!r} is no book's URL: give https://HOST/PATH/")
    return Repository(url, book.rstrip("/") + "/")


def set_url(root: Path, new: Repository) -> list[Path]:
    """Write `new` wherever an address stands; return the files that changed.

    `_config.yml` comes last: an interrupted call can be repeated.
    """
    old = load(root)
    changed = []
    for path in sorted(files(root), key=lambda path: path.name == "_config.yml"):
        text = path.read_text("utf-8")
        written = rewrite(text, old, new)
        if written != text:
            write_atomic(path, written.encode())
            changed.append(path)
    return changed


def rewrite(text: str, old: Repository, new: Repository) -> str:
    """Return `text` with every address of the repository and the book replaced by the new one."""
    text = _exactly(old.url).sub(new.url, text)
    text = re.sub(re.escape(old.book.rstrip("/")) + r"(?=[/\"'\s)>\\]|$)", new.book.rstrip("/"), text)
    for places, value in (
        (REPOSITORY_PLACES, new.url),
        (BOOK_PLACES, new.book),
        ([PREFIX_PLACE], new.prefix),
    ):
        for place in places:
            text = re.sub(place, lambda m, v=value: m[0].replace(m[1], v), text, flags=re.MULTILINE)  # type: ignore[misc]
    return text


def disagreements(root: Path) -> list[str]:
    """Return a line for each address that is not the one in `_config.yml`."""
    repository = load(root)
    owner_and_name = urlsplit(repository.url).path
    same_name = rf"(https://github\.com/[\w-]+/{re.escape(owner_and_name.rsplit('/', 1)[1])})(?![\w-])"
    found = []
    for path in files(root):
        text = path.read_text("utf-8")
        for places, value in (
            ((*REPOSITORY_PLACES, same_name), repository.url),
            (BOOK_PLACES, repository.book),
            ((PREFIX_PLACE,), repository.prefix),
        ):
            for place in places:
                for match in re.finditer(place, text, flags=re.MULTILINE):
                    if match[1] != value:
                        line = text.count("\n", 0, match.start(1)) + 1
                        found.append(f"{path.relative_to(root)}:{line}: {match[1]} (should be {value})")
    return list(dict.fromkeys(found))


def files(root: Path) -> list[Path]:
    """Return the files in which an address may stand."""
    return [path for pattern in FILES for path in sorted(root.glob(pattern))]


def _exactly(url: str) -> re.Pattern[str]:
    """Match `url` but not a longer name that begins with it."""
    return re.compile(re.escape(url) + r"(?![\w-])(?!\.(?!git\b)\w)")
