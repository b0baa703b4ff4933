"""The interlinked CNN by hand: counts, what a link carries, and what reaches each pixel."""

import pytest
import torch
from proof import parameters

from convbook import create_model
from convbook.models.icnn import interlink
from convbook.shapes import ShapesOnly


def conv(channels: int, out: int, kernel: int = 5) -> int:
    return (channels * kernel**2 + 1) * out


def test_parameters_row_by_row():
    first = sum(conv(3, width) for width in (8, 16, 24, 32))
    link = conv(8 + 16, 8) + conv(8 + 16 + 24, 16) + conv(16 + 24 + 32, 24) + conv(24 + 32, 32)
    fold = conv(24 + 32, 24) + conv(16 + 24, 16) + conv(8 + 16, 8)
    head = conv(8, 2 * 9 + 8) + conv(2 * 9 + 8, 9) + conv(9, 9, 9)
    with torch.device("meta"), ShapesOnly():
        assert parameters(create_model("icnn")) == first + 3 * link + fold + head


def test_a_link_takes_maxima_from_below_and_repeats_from_above():
    fine = torch.arange(16.0).view(1, 1, 4, 4)
    middle = torch.tensor([[100.0, 200.0], [300.0, 400.0]]).view(1, 1, 2, 2)
    coarse = torch.full((1, 1, 1, 1), 7.0)
    a, b, c = interlink([fine, middle, coarse])
    assert (a.shape[1], b.shape[1], c.shape[1]) == (2, 3, 2)
    assert torch.equal(a[:, :1], fine)
    assert torch.equal(a[0, 1, 0], torch.tensor([100.0, 100.0, 200.0, 200.0]))
    assert torch.equal(b[0, 0], torch.tensor([[5.0, 7.0], [13.0, 15.0]]))  # 3x3 windows at stride 2
    assert torch.equal(b[0, 2], torch.full((2, 2), 7.0))
    assert c[0, 0] == 400 and c[0, 1] == 7


@pytest.mark.parametrize("size", [(64, 64), (19, 33), (1, 1)])
def test_every_pixel_gets_its_logits(size):
    model = create_model("icnn").eval()
    with torch.no_grad():
        assert model(torch.randn(1, 3, *size)).shape == (1, 9, *size)


def test_rows_let_a_pixel_see_what_one_row_does_not():
    """Far beyond the reach of the finest row's own convolutions, by way of the coarse ones."""
    torch.manual_seed(0)
    image = torch.randn(1, 3, 64, 64)
    reach = {}
    for rows in (1, 4):
        model = create_model("icnn", widths=(8, 16, 24, 32)[:rows]).double()
        x = image.double().requires_grad_()
        model(x)[0, :, 32, 32].sum().backward()
        reach[rows] = int((x.grad[0].abs().sum(dim=(0, 1)) > 0).sum())  # columns that count
    assert reach[1] == 1 + 4 * 6 + 8  # six kernels of 5, one of 9
    assert reach[4] > reach[1]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"widths": ()}, "a row or more"), ({"kernel_size": 4}, "odd"), ({"last_kernel_size": 8}, "odd")],
)
def test_wrong_arguments_are_named(wrong, says):
    with pytest.raises(ValueError, match=says):
        create_model("icnn", **wrong)
