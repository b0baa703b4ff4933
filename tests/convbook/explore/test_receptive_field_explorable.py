"""What the page on receptive fields starts from: networks' windows and measured influence."""

import base64
import io

import pytest
import torch
from PIL import Image
from torch import nn

from convbook import create_model, explore
from convbook.explore.receptive_field import (
    NETWORKS,
    field_path,
    influence,
    photograph,
    pixel_gradient,
    square_of,
    stacked,
)
from convbook.profile import profile


@pytest.fixture(scope="module")
def presets():
    return {each["name"]: each for each in explore.receptive_field(measure=False).data["presets"]}


@pytest.mark.parametrize(
    ("name", "field", "jump"),
    [
        ("LeNet-5", 16, 4),  # (5 - 1) + (2 - 1) + 2 (5 - 1) + 2 (2 - 1) + 1, by hand
        ("AlexNet", 195, 32),  # Araujo, Norris and Sim 2019, "Computing receptive fields", table 1
        ("VGG-16", 212, 32),  # the same table
        ("ResNet-18", 435, 32),  # 1 + 6 + 2*2 + 4*2*4 + (4 + 3*8)*2 + (8 + 3*16)*2 + (16 + 3*32)*2, by hand
        ("ResNet-50", 427, 32),  # 1 + 6 + 2*2 + 3*8 + (8 + 3*16) + (16 + 5*32) + (32 + 2*64), by hand
        ("MobileNet", 315, 32),  # the table of Araujo et al. again
        ("Dilated", 67, 1),  # Yu and Koltun 2016, table 1
    ],
)
def test_presets_have_the_published_fields(presets, name, field, jump):
    preset = presets[name]
    span = stacked(preset["layers"], preset["size"])
    assert (span.size, span.jump) == (field, jump)


def test_the_dilated_preset_grows_as_its_paper_says(presets):
    layers = presets["Dilated"]["layers"]
    sizes = [stacked(layers[:n], 96).size for n in range(1, len(layers) + 1)]
    assert sizes == [3, 5, 9, 17, 33, 65, 67]  # table 1 without its last layer, which is 1 x 1


def test_a_stride_in_the_first_1x1_gives_the_483_of_the_published_resnet50():
    with torch.device("meta"):
        network = create_model("resnet50", stride_in="1x1")
    path = [vars(window) for window in field_path(network, (3, 224, 224))]
    assert stacked(path, 224).size == 483  # Araujo et al. 2019, table 1


@pytest.mark.parametrize("name", NETWORKS)
def test_every_window_of_a_preset_is_the_layer_of_that_name(presets, name):
    rows = {row.name: row for row in profile(NETWORKS[name]).rows}
    layers = presets[name]["layers"]
    for n, layer in enumerate(layers, start=1):
        row = rows[layer["name"]]
        assert (layer["kernel"], layer["stride"]) == (row.kernel_size[0], row.stride[0])
        assert stacked(layers[:n], presets[name]["size"]).jump == row.jump


def test_where_no_single_path_sees_the_whole_field_it_is_said():
    class Lopsided(nn.Module):
        """One branch sees further to the left, the other to the right."""

        def __init__(self):
            super().__init__()
            self.left = nn.Conv2d(1, 1, 3, padding=1)
            self.right = nn.Conv2d(1, 1, 3)
            self.last = nn.Conv2d(1, 1, 3)

        def forward(self, x):
            return self.last(self.left(x)[..., :30, :30] + self.right(x))

    network = Lopsided().to("meta")
    with pytest.raises(explore.ExplorableError, match="no single path of windows sees"):
        field_path(network, (1, 32, 32))
    with pytest.raises(explore.ExplorableError, match="not as high as it is wide"):
        field_path(nn.Conv2d(1, 1, (5, 1)).to("meta"), (1, 32, 32))


def test_the_photograph_is_a_small_square_jpeg():
    head, content = photograph().split(",")
    image = Image.open(io.BytesIO(base64.b64decode(content)))
    assert head == "data:image/jpeg;base64" and (image.format, image.size) == ("JPEG", (224, 224))
    assert len(content) < 25_000


def test_influence_of_ones_is_the_number_of_ways():
    network = nn.Sequential(*[nn.Conv2d(1, 1, 3, padding=1, bias=False) for _ in range(2)])
    for conv in network:
        nn.init.ones_(conv.weight)
    found, unit = pixel_gradient(network, network[1], torch.ones(1, 1, 9, 9))
    line = torch.tensor([0.0, 0, 1, 2, 3, 2, 1, 0, 0])
    assert unit == 4 and torch.equal(found, line.outer(line))


def test_the_square_that_holds_a_share():
    weights = torch.zeros(8, 8)
    weights[2:6, 2:6] = 1  # 16 in all, 4 of them in the inner square
    weights[0, 0] = 1
    assert [square_of(weights, share, 0, 7) for share in (4 / 17, 0.3, 16 / 17, 1.0)] == [2, 4, 4, 8]
    # around pixel 2: 1 to 3 with four ones, 0 to 4 with nine and the corner, and beyond the edge with all
    assert [square_of(weights, share, -3, 7) for share in (4 / 17, 0.3, 11 / 17, 1.0)] == [3, 5, 7, 7]


def test_measured_influence_stays_in_the_field_of_the_middle_unit():
    span = stacked([dict(kernel=5, stride=1, padding=0, dilation=1)], 224)
    found = influence("lenet5_modern", "features.conv1", span, seeds=1, in_channels=3, image_size=224)
    assert found["map"].max() == 255 and found["side"] in (3, 5)
    rows, columns = found["map"].nonzero().T
    for reached in (rows, columns):  # the map of 220 has its middle unit at 110, which sees 110 to 114
        assert reached.min() >= 110 // 4 and reached.max() <= 114 // 4


def test_an_unknown_start_names_the_others():
    with pytest.raises(explore.ExplorableError, match="choose from LeNet-5, AlexNet"):
        explore.receptive_field("VGG-17", measure=False)
