"""The map of networks: every point is a claim of the ledger with counts of a real network."""

import re
import sys
import tomllib
from pathlib import Path

import pytest
import torch
import torchvision

from convbook import claims, explore
from convbook.claims.networks import networks_on
from convbook.explore.networks import network_points, timeline
from convbook.models import describe

FEW = (
    "alexnet",
    "vgg16",
    "googlenet",
    "resnet18",
    "resnet50",
    "densenet121",
    "mobilenet_v2",
    "resnext50_32x4d",
)
CIFAR = ("resnet20_cifar", "simplenet_cifar", "nin_cifar", "controlled_cifar")


@pytest.fixture(scope="module")
def points():
    return {point["name"]: point for point in network_points((*FEW, *CIFAR))}


@pytest.mark.parametrize(
    "name", ["vgg16", "resnet18", "resnet50", "densenet121", "mobilenet_v2", "resnext50_32x4d"]
)
def test_parameters_are_torchvisions(points, name):
    with torch.device("meta"):
        theirs = getattr(torchvision.models, name)()
    assert points[name]["params"] == sum(p.numel() for p in theirs.parameters())


def test_macs_and_errors_are_those_that_papers_print(points):
    assert round(points["resnet50"]["macs"] / 1e9, 1) == 4.1
    assert points["alexnet"]["error"] == 40.7 and points["alexnet"]["year"] == 2012
    assert points["resnet20_cifar"]["error"] == 8.75  # He et al. 2016, table 6
    assert points["resnet20_cifar"]["params"] == pytest.approx(0.27e6, rel=0.02)


def test_an_accuracy_becomes_an_error(points):
    assert points["simplenet_cifar"]["error"] == pytest.approx(100 - 95.32)


def test_a_cifar_error_is_the_papers_own_and_with_augmentation(points):
    assert points["nin_cifar"]["error"] == 8.81
    assert points["nin_cifar"]["printed_by"] == "lin2014network"


def test_a_network_without_a_printed_error_is_kept_without_one(points):
    assert points["controlled_cifar"]["error"] is None


@pytest.mark.parametrize(
    ("data", "kinds"),
    [("imagenet", ("top1_error", "top1_accuracy")), ("cifar10", ("cifar10_error", "cifar10_accuracy"))],
)
def test_every_network_with_an_error_in_the_files_of_claims_is_among_the_points(monkeypatch, data, kinds):
    folder = Path(claims.__file__).parent
    entries = [
        entry
        for path in folder.glob("*.toml")
        for entry in tomllib.loads(path.read_text("utf-8")).get("claim", [])
    ]
    known = set(networks_on(data))
    expected = {
        entry["model"]
        for entry in entries
        if entry["quantity"] in kinds and not entry.get("overrides") and not entry.get("input_size")
    } & known
    size = type("Size", (), {"params": 1, "macs": 1})
    module = sys.modules["convbook.claims.networks"]
    monkeypatch.setattr(module, "profile_of", lambda name, overrides: size)
    rows = claims.networks(data)
    assert {row["name"] for row in rows} == known
    assert {row["name"] for row in rows if row["top1_error"] is not None} == expected
    assert len(expected) > 35
    assert all(0 < row["top1_error"] < 50 for row in rows if row["top1_error"] is not None)


def test_the_table_without_javascript_has_a_row_for_every_network():
    made = explore.networks((*FEW, *CIFAR))
    rows = re.findall(r'<th scope="row"[^>]*>([^<]+)</th>', made.fallback)
    assert set(rows) == {*FEW, *CIFAR}
    assert "<img" in made.fallback and 'alt="Timeline of' in made.fallback
    assert set(made.data["papers"]) >= {describe(name).paper for name in (*FEW, *CIFAR)}


def test_the_timeline_gives_an_idea_to_the_year_of_its_first_network():
    years = {
        year["year"]: year
        for year in timeline(["lenet1", "resnet18", "googlenet", "vgg16_bn", "bn_inception"])
    }
    new = {year: {idea["label"]: idea["papers"] for idea in years[year]["ideas"]} for year in years}
    assert list(years) == [1990, 2015, 2016]
    assert new[1990] == {"plain chain": ["lecun1990handwritten"]}
    assert new[2015]["branches"] == ["ioffe2015batch", "szegedy2015going"]
    # VGG with batch normalisation is no network of its paper's.
    assert new[2015]["batch normalisation"] == ["ioffe2015batch"]
    assert new[2016] == {"skip connections": ["he2016deep"]}
