"""Khan et al. 2018: the autoencoder learns, its code goes over, and the network sees it."""

import pytest
import torch
from proof import parameters
from torch import nn

from convbook import create_model
from convbook.models.channel_boost import Autoencoder, sparsity


def blobs(count: int) -> torch.Tensor:
    """Images (count, 3, 12, 12) with something to learn: one bright disc each, of random colour and place."""
    axis = torch.arange(12.0)
    centre = 3 + 6 * torch.rand(count, 2, 1, 1)
    distance = (axis[:, None] - centre[:, :1]) ** 2 + (axis - centre[:, 1:]) ** 2
    return torch.rand(count, 3, 1, 1) * torch.exp(-distance / 6)


def train(model: Autoencoder, weight: float = 0.0) -> tuple[float, float]:
    """Squared error on fresh images before and after 60 steps."""
    torch.manual_seed(1)
    fresh, optimizer = blobs(64), torch.optim.Adam(model.parameters(), lr=0.01)
    before = nn.functional.mse_loss(model(fresh), fresh).item()
    for _ in range(60):
        images = blobs(32)
        code = model.encoder(images)
        loss = nn.functional.mse_loss(model.decoder(code), images) + weight * sparsity(code)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return before, nn.functional.mse_loss(model(fresh), fresh).item()


def test_a_short_training_lowers_the_error_on_fresh_images():
    torch.manual_seed(0)
    before, after = train(Autoencoder(widths=(8,)))
    assert after < before / 3
    assert after < blobs(64).var().item() / 2  # better than any constant image


def test_the_sparsity_term_makes_the_code_sparser():
    def activity(weight: float) -> float:
        torch.manual_seed(0)
        model = Autoencoder(widths=(8,))
        train(model, weight)
        return model.encoder(blobs(64)).mean().item()

    assert activity(0.1) < 0.6 * activity(0.0)


def test_sparsity_is_the_divergence_of_two_coins():
    code = torch.full((2, 3, 4, 4), 0.2)
    p, q = torch.tensor([0.05, 0.95]), torch.tensor([0.2, 0.8])
    torch.testing.assert_close(sparsity(code, 0.05), 3 * (p * (p / q).log()).sum())
    assert sparsity(torch.full((1, 2, 1, 1), 0.05), 0.05).abs() < 1e-6
    assert sparsity(torch.zeros(1, 1, 1, 1)).isfinite()


def test_the_network_sees_the_image_and_the_transferred_code():
    torch.manual_seed(0)
    options = {"depths": (1, 1, 1), "widths": (8, 16, 32)}
    boosted = create_model("channel_boosted_resnet20_cifar", options=options).eval()
    auto = Autoencoder()
    x = torch.rand(2, 3, 16, 16)
    seen: list[torch.Tensor] = []
    boosted.network.register_forward_pre_hook(lambda _module, args: seen.append(args[0]))
    assert boosted.transfer(auto) is boosted
    boosted(x)
    torch.testing.assert_close(seen[0], torch.cat([x, auto.encoder(x)], dim=1))


def test_boosting_costs_the_encoder_and_a_wider_first_convolution():
    with torch.device("meta"):
        boosted = parameters(create_model("channel_boosted_resnet20_cifar"))
        plain = parameters(create_model("resnet20_cifar"))
    encoder = (9 * 3 * 16 + 16) + (9 * 16 * 3 + 3)
    assert boosted - plain == encoder + 9 * 3 * 16


def test_any_registered_network_can_be_boosted():
    with torch.device("meta"):
        model = create_model("channel_boosted_resnet20_cifar", network="mobilenet_v2", auxiliary=5)
        assert model(torch.empty(2, 3, 64, 64)).shape == (2, 10)
        assert model.least == model.network.least == 32
        with pytest.raises(ValueError, match="at least 32x32"):
            model(torch.empty(2, 3, 31, 64))


def test_boosting_by_nothing_is_refused():
    with pytest.raises(ValueError, match="auxiliary=0 is not possible"):
        create_model("channel_boosted_resnet20_cifar", auxiliary=0)
