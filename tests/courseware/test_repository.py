"""One place says where the repository is; everything else agrees with it."""

from pathlib import Path

import pytest

from courseware import repository
from courseware.notebooks import CourseError, read
from courseware.repository import Repository, disagreements, load, parse, rewrite, set_url

ROOT = Path(__file__).resolve().parents[2]
ADA = parse("https://github.com/ada/course")
BOB = parse("https://github.com/Bob/nets.git/")


@pytest.fixture
def full_course(course, make_notebook):
    course.write("lenet", make_notebook((ADA.setup_source, "setup"), "x = 1"))
    course.write("labs/bottleneck", make_notebook((ADA.setup_source, "setup")))
    root = course.root
    with (root / "_config.yml").open("a") as config:
        config.write("sphinx:\n  config:\n    notfound_urls_prefix: /course/\n")
        config.write("    ogp_site_url: https://ada.github.io/course/\n")
    (root / "README.md").write_text(
        "git clone https://github.com/ada/course.git\n[book](https://ada.github.io/course/), "
        "[other](https://github.com/ada/course-data), see https://github.com/ada/course.\n"
    )
    (root / "CITATION.cff").write_text(
        'repository-code: "https://github.com/ada/course"\nurl: "https://ada.github.io/course/"\n'
    )
    (root / "pyproject.toml").write_text(
        '[project.urls]\nRepository = "https://github.com/ada/course"\nBook = "https://ada.github.io/course/"\n'
        'Issues = "https://github.com/ada/course/issues"\n'
    )
    return course


def test_every_address_in_this_repository_is_the_one_in_its_configuration():
    assert disagreements(ROOT) == []


def test_addresses_stand_where_they_are_looked_for():
    """The test above could not fail if it looked at nothing."""
    here = load(ROOT)
    for name, text in {
        "pyproject.toml": f'Repository = "{here.url}"',
        "CITATION.cff": f'repository-code: "{here.url}"',
        "README.md": f"git+{here.url}",
    }.items():
        assert text in (ROOT / name).read_text("utf-8")


def test_the_package_itself_names_no_repository():
    """Code asks `_config.yml`; a copy in a source file would be missed by `course set-url`."""
    here = load(ROOT)
    for path in (ROOT / "src").rglob("*"):
        if path.suffix in (".py", ".js", ".toml", ".css", ".md"):
            assert here.url not in path.read_text("utf-8"), path


def test_set_url_changes_every_file_and_a_second_call_none(full_course):
    root = full_course.root
    assert disagreements(root) == []
    changed = set_url(root, BOB)
    assert {path.name for path in changed} == {
        "_config.yml",
        "README.md",
        "CITATION.cff",
        "pyproject.toml",
        "lenet.ipynb",
        "bottleneck.ipynb",
    }
    assert changed[-1].name == "_config.yml"  # so that an interrupted call can be repeated
    assert load(root) == BOB == Repository("https://github.com/Bob/nets", "https://bob.github.io/nets/")
    assert disagreements(root) == []
    assert read(full_course.root / "chapters" / "lenet.ipynb")["cells"][0]["source"] == BOB.setup_source
    assert "notfound_urls_prefix: /nets/\n" in (root / "_config.yml").read_text()
    readme = (root / "README.md").read_text()
    assert "git clone https://github.com/Bob/nets.git\n" in readme
    assert "https://github.com/ada/course-data" in readme  # another repository
    assert "see https://github.com/Bob/nets.\n" in readme
    assert 'Issues = "https://github.com/Bob/nets/issues"' in (root / "pyproject.toml").read_text()
    assert set_url(root, BOB) == []


def test_set_url_there_and_back_restores_every_byte(full_course):
    root = full_course.root
    before = {path: path.read_bytes() for path in repository.files(root)}
    set_url(root, BOB)
    set_url(root, ADA)
    assert {path: path.read_bytes() for path in repository.files(root)} == before


def test_set_url_mends_an_address_that_had_drifted(full_course):
    path = full_course.root / "chapters" / "lenet.ipynb"
    path.write_text(path.read_text().replace("github.com/ada/course", "github.com/eve/fork"))
    assert disagreements(full_course.root) == [
        "chapters/lenet.ipynb:1: https://github.com/eve/fork (should be https://github.com/ada/course)"
    ]
    set_url(full_course.root, ADA)
    assert disagreements(full_course.root) == []


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("README.md", "github.com/ada/course.git", "github.com/ada/old.git"),  # git clone
        ("README.md", "see https://github.com/ada/course", "see https://github.com/eve/course"),
        ("CITATION.cff", "github.com/ada/course", "github.com/ada/old"),
        ("CITATION.cff", "ada.github.io/course", "ada.github.io/old"),
        (
            "pyproject.toml",
            'Repository = "https://github.com/ada/course',
            'Repository = "https://github.com/ada/old',
        ),
        ("pyproject.toml", "ada.github.io/course", "ada.github.io/old"),
        ("_config.yml", "notfound_urls_prefix: /course/", "notfound_urls_prefix: /old/"),
        (
            "_config.yml",
            "ogp_site_url: https://ada.github.io/course",
            "ogp_site_url: https://ada.github.io/old",
        ),
    ],
)
def test_each_address_that_disagrees_is_found_with_its_file(full_course, name, right, wrong):
    path = full_course.root / name
    assert right in path.read_text()
    path.write_text(path.read_text().replace(right, wrong))
    found = disagreements(full_course.root)
    assert len(found) == 1 and found[0].startswith(f"{name}:")
    set_url(full_course.root, ADA)
    assert disagreements(full_course.root) == [] or "see " in wrong  # prose is the author's to mend


@pytest.mark.parametrize(
    "url", ["github.com/a/b", "https://github.com/a", "https://github.com/a/b/c", "", "ssh://x/a/b"]
)
def test_what_is_no_repository_is_refused(url):
    with pytest.raises(CourseError, match="is no repository's URL"):
        parse(url)


def test_pages_are_derived_for_github_and_asked_for_elsewhere():
    assert parse("https://github.com/Ada/ada.github.io").book == "https://ada.github.io/"
    with pytest.raises(CourseError, match="add --book URL"):
        parse("https://codeberg.org/ada/course")
    elsewhere = parse("https://codeberg.org/ada/course", "https://ada.codeberg.page/course")
    assert elsewhere.book == "https://ada.codeberg.page/course/"
    assert elsewhere.prefix == "/course/"


def test_longer_names_that_begin_alike_are_left_alone():
    text = (
        "https://github.com/ada/courseware https://github.com/ada/course.js https://ada.github.io/coursework"
    )
    assert rewrite(text, ADA, BOB) == text


def test_a_configuration_without_addresses_is_told(course):
    (course.root / "_config.yml").write_text("title: Book\n")
    with pytest.raises(CourseError, match=r"needs repository\.url and html\.baseurl"):
        load(course.root)
    (course.root / "_config.yml").unlink()
    with pytest.raises(CourseError, match=r"has no _config\.yml"):
        load(course.root)
