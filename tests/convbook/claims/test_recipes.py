"""Recipes: one for each network, published numbers as the papers print them, settings that fit accepts."""

import re

import pytest

from convbook.claims import ClaimError, find_recipe, published_markdown, recipes
from convbook.claims.claim import load_papers
from convbook.models import describe, list_models
from convbook.models.registry import UnknownModelError
from convbook.training.named import make_recipe

PIXELS = {"enet", "linknet", "icnn", "plain_unet", "scse"}  # they label pixels, not images


def test_each_network_has_exactly_one_recipe_in_its_papers_file():
    for name in list_models():
        assert find_recipe(name).paper == describe(name).paper, name


def test_every_pattern_of_a_recipe_fits_some_network():
    for paper in load_papers():
        for recipe in recipes._load_recipes(paper):
            for pattern in recipe.models:
                assert list_models(pattern), f"{paper}: {pattern} fits nothing"


def test_each_courses_settings_make_a_recipe_and_only_networks_for_pixels_have_none():
    for name in list_models():
        recipe = find_recipe(name)
        made = make_recipe(recipe.course)
        assert {k: made.to_dict()[k] for k in recipe.course} == recipe.course, name
        assert bool(recipe.course) == (name not in PIXELS), name
        assert recipe.course or "labels pixels" in recipe.note


def test_each_note_says_why_and_what_is_recorded_has_a_place():
    for name in list_models():
        recipe = find_recipe(name)
        assert recipe.note.endswith(".") and len(recipe.note.split()) >= 8, name
        assert bool(recipe.published) == bool(recipe.where), name
        assert recipe.published or "not recorded here" in recipe.note or "trains n" in recipe.note, name


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        (
            "resnet20_cifar",
            {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4, "batch_size": 128, "iterations": 64_000},
        ),
        ("resnet50", {"batch_size": 256, "lr": 0.1, "weight_decay": 1e-4, "iterations": 600_000}),
        ("vgg16", {"batch_size": 256, "lr": 0.01, "weight_decay": 5e-4, "epochs": 74, "iterations": 370_000}),
        ("alexnet", {"batch_size": 128, "lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4, "epochs": 90}),
        ("densenetbc100_12_cifar", {"batch_size": 64, "epochs": 300, "nesterov": True}),
        ("densenet121", {"batch_size": 256, "epochs": 90}),
        ("wide_resnet28_10_cifar", {"epochs": 200, "weight_decay": 5e-4, "gamma": 0.2}),
        ("se_resnet50", {"batch_size": 1024, "lr": 0.6, "epochs": 100}),
        ("inception_v3", {"optimizer": "rmsprop", "lr": 0.045, "label_smoothing": 0.1, "clip": 2.0}),
        ("mobilenet_v2", {"lr": 0.045, "weight_decay": 4e-5, "batch_size": 96}),
        ("lenet5", {"epochs": 20, "batch_size": 1}),
    ],
)
def test_published_numbers_are_those_of_the_papers(name, printed):
    published = find_recipe(name).published
    assert {key: published.get(key) for key in printed} == printed


def test_iterations_become_the_epochs_that_are_usually_quoted():
    """64k batches of 128 from 45,000 images are 182 epochs; VGG's 370k of 256 are the 74 that it prints."""
    resnet, vgg = find_recipe("resnet110_cifar").published, find_recipe("vgg11").published
    assert "epochs" not in resnet  # the paper counts iterations alone
    assert resnet["iterations"] * resnet["batch_size"] / 45_000 == pytest.approx(182, abs=0.1)
    assert vgg["iterations"] * vgg["batch_size"] / 1_281_167 == pytest.approx(vgg["epochs"], abs=0.5)


def test_the_table_sets_paper_and_course_side_by_side():
    text = published_markdown("resnet20_cifar")
    rows = [re.split(r" *\| *", line.strip("| ")) for line in text.splitlines() if line.startswith("|")]
    assert rows[0] == ["CIFAR-10", "ResNet (He et al. 2016), Section 4.2", "This course"]
    assert ["weight decay", "0.0001", "0.0005"] in rows and ["epochs", "–", "50"] in rows
    assert {len(row) for row in rows} == {3}


def test_a_wrong_name_is_answered_with_the_near_ones():
    with pytest.raises(UnknownModelError, match="resnet20_cifar"):
        find_recipe("resnet21_cifar")


HEAD = '[paper]\nkey = "he2016deep"\ntitle = "T"\nshort = "S"\nyear = 2016\ncounts = "MACs"\n'
ENTRY = '[[recipe]]\nmodels = ["resnet*"]\nwhere = "W"\ndata = "D"\nnote = "N"\npublished = {}\ncourse = {}\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD, r"he2016deep.toml has no \[\[recipe\]\] for resnet50: it needs one"),
        (HEAD + ENTRY + ENTRY, r"he2016deep.toml has 2 \[\[recipe\]\] for resnet50"),
        (HEAD + ENTRY.replace("note", "notes"), "recipe 1: unknown field 'notes'; did you mean 'note'?"),
        (HEAD + ENTRY.replace('"N"', "1"), "recipe 1: note is 1, which is no text"),
        (HEAD + ENTRY.replace("course = {}\n", ""), "recipe 1: course is missing"),
        (HEAD + ENTRY + "from_memory = 1\n", "from_memory is 1, which is no true or false"),
        (None, "there is no he2016deep.toml"),
    ],
)
def test_a_slip_in_a_file_gives_one_line(tmp_path, monkeypatch, text, message):
    if text is not None:
        (tmp_path / "he2016deep.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(recipes, "FOLDER", tmp_path)
    with pytest.raises(ClaimError, match=message) as error:
        find_recipe("resnet50")
    assert "\n" not in str(error.value)
