"""Settings by name: what prints can be read back, and text can do nothing else."""

import pytest
import torch

from convbook.training import Recipe, affine, compose, crop_flip, elastic, mix, shift
from convbook.training.augment import colour, cutout, flip
from convbook.training.named import make_recipe, parse_augment, parse_mix

PRINTED = [
    crop_flip(4),
    crop_flip(2, "constant"),
    flip(),
    shift(2),
    cutout(8),
    cutout(8, 0),
    colour(0.4, 0.3, 0.1),
    affine(5, 0.2, 0.0, 0.05),
    elastic(1.5, 3),
    compose(shift(1), elastic()),
    compose(compose(crop_flip(2), cutout(4, 12.5)), affine()),
]


@pytest.mark.parametrize("change", PRINTED, ids=repr)
def test_an_augmentation_is_read_back_from_its_print_and_draws_the_same(change):
    images = torch.randint(0, 256, (4, 3, 16, 16), dtype=torch.uint8)
    again = parse_augment(repr(change))
    assert repr(again) == repr(change)
    expected, got = (f(images, torch.Generator().manual_seed(1)) for f in (change, again))
    assert torch.equal(expected, got)


def test_names_alone_keywords_and_none_are_understood():
    assert repr(parse_augment("crop_flip")) == repr(crop_flip())
    assert repr(parse_augment("crop_flip(pad=3)")) == repr(crop_flip(3))
    assert parse_augment("none") is None and parse_mix("none") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("crop_flap(4)", "nothing is called 'crop_flap' here: did you mean 'crop_flip'"),
        ("crop_flip(", "is no call"),
        ("", "is no call"),
        ("crop_flip(-1)", "pad must be 0 or more"),
        ("crop_flip(1, 2, 3, 4)", "cannot be made: crop_flip takes pad"),
        ("crop_flip(size)", "'size' is neither a number nor a call"),
        ("__import__('os').system('true')", "nothing is called"),
        ("torch.rand(3)", "nothing is called 'torch.rand'"),
        ("crop_flip(*[4])", "neither a number nor a call"),
        ("math(4)", "nothing is called 'math'"),
    ],
)
def test_what_is_no_augmentation_is_refused_in_one_line(text, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")) as error:
        parse_augment(text)
    assert "\n" not in str(error.value)


def test_a_recipe_comes_back_from_its_settings():
    recipe = Recipe(
        epochs=3, augment=crop_flip(2), mix=mix.mixup(0.2), milestones=(0.3, 0.6), clip=1.0, compile=False
    )
    assert make_recipe(recipe.to_dict()).to_dict() == recipe.to_dict()
    assert make_recipe({}) == Recipe()


def test_mixes_are_read_back_from_their_prints():
    for made in (mix.mixup(0.2), mix.cutmix(1.0)):
        assert repr(parse_mix(repr(made))) == repr(made)


def test_an_unknown_setting_is_answered_with_the_near_one():
    with pytest.raises(ValueError, match="no setting 'epoch': did you mean 'epochs'"):
        make_recipe({"epoch": 3})
