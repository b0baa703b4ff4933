"""Gates, spatial maps and temperatures: the data of the pages against PyTorch."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from convbook import explore
from convbook.data import ImageSet, photograph_patches, photographs
from convbook.explore.gates import answer, gate_data
from convbook.explore.packed import pack, unpack
from convbook.explore.spatial_map import map_data
from convbook.explore.temperature import temperature_data
from convbook.models import create_model


def small(attention, **options):
    torch.manual_seed(0)
    shape = dict(attention=attention, reduction=4, depths=(2,), widths=(8,), num_classes=6)
    return create_model("resnet18", **(shape | options)).eval()


@pytest.fixture(scope="module")
def patches():
    return photograph_patches(n=12, val=12)


@pytest.mark.parametrize("bits", [8, 16])
def test_packed_numbers_come_back_within_half_a_step(bits):
    values = torch.randn(3, 5, 7, generator=torch.Generator().manual_seed(0))
    packed = pack(values, bits)
    spread = (values.max() - values.min()).item()
    assert packed["step"] == pytest.approx(spread / (2**bits - 1))
    assert (unpack(packed) - values).abs().max() <= 0.5001 * packed["step"]
    assert unpack(pack(torch.full((2, 2), 3.0))).tolist() == [[3.0, 3.0], [3.0, 3.0]]


def test_patches_are_cut_untouched_from_the_photographs_and_validation_apart(patches):
    halves = {n: F.avg_pool2d(p[None].float(), 2)[0].round().byte() for n, p in photographs().items()}
    for part, inside in zip(patches, (False, True), strict=True):
        assert part.labels.bincount().tolist() == [2] * 6
        for image, label in zip(part.images, part.labels, strict=True):
            name, third = part.classes[label].split(", ")
            photo = halves[name]
            windows = photo.unfold(1, 48, 1).unfold(2, 48, 1)[0]
            places = (windows == image[0]).flatten(2).all(dim=2).nonzero().tolist()
            rows, width = photo.shape[1] // 3, photo.shape[2]
            first = ("top", "middle", "bottom").index(third) * rows
            held = [width // 2 <= left <= width * 3 // 4 - 48 for top, left in places]
            assert all(first <= top <= first + rows - 48 for top, _ in places) and set(held) == {inside}


def test_gates_and_rest_of_the_network_reproduce_its_answer_but_for_the_rounding(patches):
    model = small("se")
    data = gate_data(model, patches[1], shown=6)
    assert [image["label"] for image in data["images"]] == list(range(6))
    head = data["weight"].double(), data["bias"].double()
    x = patches[1].float_images(slice(0, 6))
    expected = torch.softmax(model(x), dim=1)
    for image, own in zip(data["images"], expected, strict=True):
        maps = unpack(image["branch"]), unpack(image["shortcut"])
        assert torch.allclose(answer(*maps, image["gates"].double(), *head).float(), own, atol=5e-3)


def test_mean_gates_are_the_means_over_all_images(patches):
    model, seen = small("se"), []
    model.layer1[-1].attention.gate.register_forward_hook(lambda module, args, out: seen.append(out))
    with torch.no_grad():
        model(patches[1].float_images())
    assert torch.allclose(gate_data(model, patches[1], 2)["mean"], seen[0].mean(dim=(0, 2, 3)), atol=1e-6)


def test_gates_refuse_networks_without_and_more_images_than_there_are(patches):
    with pytest.raises(explore.ExplorableError, match='attention="se"'):
        explore.gates(small(None), patches[1])
    with pytest.raises(explore.ExplorableError, match="shown=13"):
        explore.gates(small("se"), patches[1], shown=13)


def test_spatial_map_holds_the_gate_and_its_two_descriptions(patches):
    model, data = small("cbam"), patches[0]
    image = photographs()["flower"][:, 100:148, 200:272]
    block = map_data(model, {"petals": image}, data)["pictures"][0]["blocks"][1]
    x = data.normalise(image[None])
    with torch.no_grad():
        x = model.layer1[0](model.maxpool(model.relu(model.bn1(model.conv1(x)))))
        maps = model.layer1[1].branch(x)
        cbam = model.layer1[1].attention
        maps = maps * cbam.channel_gate(maps)
        described = torch.cat([maps.mean(1, keepdim=True), maps.max(1, keepdim=True).values], 1)
        gate = torch.sigmoid(cbam.spatial_gate.bn(cbam.spatial_gate.conv(described)))[0, 0]
    assert (unpack(block["gate"]) - gate).abs().max() < 1e-5
    for key, expected in (("average", described[0, 0]), ("maximum", described[0, 1])):
        assert (unpack(block[key]) - expected).abs().max() < 0.51 * block[key]["step"]
    assert block["name"] == "stage 1, block 2" and block["range"][2] == pytest.approx(gate.max().item())


def test_spatial_map_switched_off_is_the_network_with_the_channel_gate_alone(patches):
    model, image = small("cbam"), patches[0].images[0]
    blocks = map_data(model, {"a patch": image}, patches[0])["pictures"][0]["blocks"]
    x = patches[0].normalise(image[None])
    with torch.no_grad():
        assert blocks[0]["answers"]["as trained"] == pytest.approx(model(x).softmax(1)[0].tolist(), abs=1e-6)
        model.layer1[0].attention.forward = lambda y, gate=model.layer1[0].attention.channel_gate: y * gate(y)
        expected = model(x).softmax(1)[0]
    assert blocks[0]["answers"]["off (all 1)"] == pytest.approx(expected.tolist(), abs=1e-6)
    assert blocks[0]["answers"]["its mean"] != blocks[0]["answers"]["off (all 1)"]


def test_spatial_map_refuses_a_network_without_spatial_gates(patches):
    with pytest.raises(explore.ExplorableError, match="network with spatial gates"):
        explore.spatial_map(small("se"), {"x": patches[0].images[0]}, patches[0])


def test_temperature_keeps_the_teachers_logits_and_finds_the_most_similar_wrong_class():
    logits = torch.tensor([[9.0, 5.0, -1.0], [2.0, 1.9, 1.0], [0.0, 0.0, 8.0], [8.0, 6.0, 0.0]])
    labels = torch.tensor([0, 1, 2, 1])
    teacher = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    teacher.forward = lambda images: logits
    data = temperature_data(teacher, torch.rand(4, 1, 2, 2), labels, None, ["a", "b", "c"], shown=4)
    assert [image["logits"] for image in data["images"]] == logits[[1, 3, 0, 2]].tolist()
    assert [image["similar"] for image in data["images"]] == [0, 0, 1, 0]
    assert data["images"][0]["students"] == {"knows nothing": [0.0, 0.0, 0.0]}
    assert len(data["images"][2]["near"]) == 2  # there are two images of b


def test_temperatures_are_about_equal_steps_of_a_logarithmic_scale():
    temperatures = explore.temperature.__globals__["TEMPERATURES"]
    steps = [math.log(b / a) for a, b in pairwise(temperatures)]
    assert temperatures[0] == 0.5 and temperatures[-1] == 20 and 1 in temperatures
    assert min(steps) > 0.05 and max(steps) < 0.25


def test_temperature_wants_images_and_labels_with_a_teacher():
    teacher = nn.Linear(4, 3)
    for arguments in ((), (torch.rand(3, 4),), (torch.rand(3, 4), torch.zeros(2))):
        with pytest.raises(explore.ExplorableError, match="teacher, images"):
            explore.temperature(teacher, *arguments)


def test_normalisation_of_patches_is_that_of_the_training_part(patches):
    assert isinstance(patches[0], ImageSet) and torch.equal(patches[0].mean, patches[1].mean)
    with pytest.raises(ValueError, match="from 1 to 71"):
        photograph_patches(size=72)
