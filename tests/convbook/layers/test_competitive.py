import pytest
import torch
from torch import nn

from convbook.layers.competitive import PairViewSqueezeExcite


@pytest.fixture
def branches() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 32, 6, 5, generator=generator), torch.randn(2, 32, 6, 5, generator=generator)


def folded(means: torch.Tensor, folds: int) -> torch.Tensor:
    """Row 2f holds the residual's averages of piece f, row 2f + 1 the identity's."""
    rows = [means[:, :, branch].chunk(folds, dim=1)[f] for f in range(folds) for branch in (0, 1)]
    return torch.stack(rows, dim=1)


@pytest.mark.parametrize("view", ["2x1", "1x1", "folded"])
def test_the_gate_is_read_from_the_image_of_both_branches_averages(view, branches):
    module = PairViewSqueezeExcite(32, 16, view).eval()
    module.scan[1].running_mean.fill_(0.1)
    means = torch.stack([branch.mean(dim=(2, 3)) for branch in branches], dim=2)
    kernels = module.scan[0].weight
    if view == "folded":
        maps = nn.functional.conv2d(folded(means, 4)[:, None], kernels)
    else:  # two numbers a channel: weighted and summed, or each weighted alone
        weighted = means[:, None] * kernels.squeeze(1)[None]
        maps = weighted.sum(dim=3) if view == "2x1" else weighted
    one = ((maps - 0.1) / (1 + 1e-5) ** 0.5).mean(dim=1).flatten(1)
    down, _, up, _ = module.gate
    hidden = torch.relu(one @ down.weight.flatten(1).T)
    gate = torch.sigmoid(hidden @ up.weight.flatten(1).T)
    residual, _ = branches
    torch.testing.assert_close(module(*branches), residual * gate[:, :, None, None])


@pytest.mark.parametrize(
    ("view", "kernel", "left"), [("2x1", 2, 32), ("1x1", 1, 64), ("folded", 9, (8 - 2) * (8 - 2))]
)
def test_each_view_has_the_weights_of_its_kernels_and_its_bottleneck(view, kernel, left):
    maps = 32 // 16
    expected = maps * kernel + 2 * maps + left * maps + maps * 32
    assert sum(p.numel() for p in PairViewSqueezeExcite(32, 16, view).parameters()) == expected


@pytest.mark.parametrize("view", ["2x1", "1x1", "folded"])
def test_the_identity_competes(view, branches):
    module = PairViewSqueezeExcite(32, 4, view).eval()
    residual, identity = branches
    out = module(residual, identity)
    assert not torch.allclose(out, module(residual, -identity))
    scale = out / residual
    torch.testing.assert_close(scale, scale[:, :, :1, :1].expand_as(scale), rtol=1e-4, atol=1e-5)
    assert ((scale > 0) & (scale < 1)).all()


def test_impossible_images_are_refused():
    with pytest.raises(ValueError, match="take one of 2x1, 1x1, folded"):
        PairViewSqueezeExcite(32, 16, "3x3")
    with pytest.raises(ValueError, match="folds=3 makes no image of 32 channels"):
        PairViewSqueezeExcite(32, 16, "folded", folds=3)
    with pytest.raises(ValueError, match="folds=4 makes no image of 8 channels"):
        PairViewSqueezeExcite(8, 4, "folded")
    with pytest.raises(ValueError, match="reduction <= 8"):
        PairViewSqueezeExcite(8, 16)
