"""Capture looks and leaves no trace."""

import pytest
import torch
from torch import nn

from convbook.plots import capture


def network():
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
    return nn.Sequential(body, nn.Dropout(0.5), nn.Flatten(), nn.LazyLinear(2))


def trace(model):
    hooks = sum(len(m._forward_hooks) for m in model.modules())
    return hooks, [m.training for m in model.modules()]


IMAGES = torch.randn(3, 1, 8, 8)


def test_capture_gives_what_the_module_put_out_before_in_place_layers():
    model = network()
    model(IMAGES)
    got = capture(model, IMAGES, "0.1")["0.1"]
    model.eval()
    torch.testing.assert_close(got, model[0][1](model[0][0](IMAGES)).detach())
    assert (got < 0).any()  # the in-place ReLU behind it has not touched the copy
    assert not got.requires_grad


def test_capture_restores_each_modules_mode_and_statistics_and_removes_hooks():
    model = network()
    model(IMAGES)
    model.train()
    model[0][1].eval()
    before, mean = trace(model), model[0][1].running_mean.clone()
    capture(model, IMAGES, nn.Conv2d)
    assert trace(model) == before
    torch.testing.assert_close(model[0][1].running_mean, mean)


def test_capture_cleans_up_when_the_forward_pass_fails():
    model = network()
    model(IMAGES)
    before = trace(model)
    with pytest.raises(RuntimeError):
        capture(model, torch.randn(3, 2, 8, 8), nn.Conv2d)
    assert trace(model) == before


def test_capture_finds_by_name_pattern_and_type_in_the_networks_order():
    model = network()
    model(IMAGES)
    assert list(capture(model, IMAGES, ["3", nn.BatchNorm2d, "0.*"])) == ["0.0", "0.1", "0.2", "3"]


@pytest.mark.parametrize(("wanted", "message"), [("9", "no module '9'"), (nn.Conv3d, "of type Conv3d")])
def test_capture_says_which_module_is_missing(wanted, message):
    with pytest.raises(ValueError, match=message):
        capture(nn.Sequential(nn.ReLU()), IMAGES, wanted)


def test_capture_says_which_module_never_ran():
    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = nn.ReLU(), nn.ReLU()

        def forward(self, x):
            return self.used(x)

    with pytest.raises(ValueError, match="never ran idle"):
        capture(Half(), IMAGES, nn.ReLU)
