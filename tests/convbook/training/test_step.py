"""One step: pieces, a lack of memory, clipping, averaging, mixing, other heads; and what a GPU adds."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convbook import create_model
from convbook.data import ImageSet
from convbook.training import OutOfMemoryError, Recipe, fit
from convbook.training.accelerate import Accelerator
from convbook.training.distributed import Group
from convbook.training.objective import Supervised, cross_entropy, name_of
from convbook.training.step import Stepper

PLAIN = dict(optimizer="sgd", momentum=0.0, weight_decay=0.0, lr=0.1, schedule="constant")


def small_net(norm: bool = False) -> nn.Module:
    torch.manual_seed(0)
    middle = nn.BatchNorm2d(3) if norm else nn.Identity()
    return nn.Sequential(nn.Conv2d(1, 3, 3), middle, nn.ReLU(), nn.Flatten(), nn.Linear(3 * 36, 2))


def batch(n: int = 12) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.randn(n, 1, 8, 8), torch.randint(0, 2, (n,))


def stepper(model: nn.Module, recipe: Recipe, **settings: bool) -> Stepper:
    return Stepper(model, recipe, Supervised(cross_entropy()), "float32", Group(), **settings)


class Cramped(nn.Module):
    """A device with room for so many images."""

    def __init__(self, inner: nn.Module, room: int) -> None:
        super().__init__()
        self.inner, self.room, self.tried = inner, room, []

    def forward(self, x: Tensor) -> Tensor:
        self.tried.append(len(x))
        if len(x) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB")
        return self.inner(x)


def gradient(model: nn.Module) -> list[Tensor]:
    return [p.grad.clone() for p in model.parameters()]


@pytest.mark.parametrize("pieces", [2, 3, 12])
def test_a_batch_in_pieces_gives_the_whole_batchs_gradient_loss_and_hits(pieces: int) -> None:
    images, labels = batch()
    model = small_net()
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    whole = gradient(model)
    hits = (model(images).argmax(1) == labels).sum()
    cut = stepper(model, Recipe(**PLAIN, batch_size=12, accumulate=pieces))
    measured, right = cut.in_pieces(images, labels)
    torch.testing.assert_close(gradient(model), whole)
    torch.testing.assert_close(measured, loss.detach())
    assert right == hits


def test_a_batch_that_does_not_fit_is_halved_until_it_does_and_learns_the_same() -> None:
    images, labels = batch()
    free, cramped = small_net(), Cramped(small_net(), room=3)
    stepper(free, Recipe(**PLAIN))(images, labels, 0.1)
    halving = stepper(cramped, Recipe(**PLAIN), halve_on_oom=True)
    halving(images, labels, 0.1)
    assert cramped.tried[:3] == [12, 6, 3] and halving.pieces == 4
    halving(images, labels, 0.1)
    assert cramped.tried[-4:] == [3, 3, 3, 3], "the size that fitted is kept"
    stepper(free, Recipe(**PLAIN))(images, labels, 0.1)
    for ours, theirs in zip(cramped.parameters(), free.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_batch_that_does_not_fit_names_its_size_unless_halving_is_asked() -> None:
    images, labels = batch()
    with pytest.raises(
        OutOfMemoryError, match=r"^12 images at once do not fit .* accumulate=2, or halve_on_oom"
    ):
        stepper(Cramped(small_net(), room=3), Recipe(**PLAIN))(images, labels, 0.1)
    hopeless = stepper(Cramped(small_net(), room=0), Recipe(**PLAIN), halve_on_oom=True)
    with pytest.raises(OutOfMemoryError, match=r"^1 images? at once"):
        hopeless(images, labels, 0.1)


def test_other_errors_of_the_network_pass_through(train: ImageSet, val: ImageSet) -> None:
    class Broken(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            if self.training:
                raise RuntimeError("shapes do not fit")
            return super().forward(x.flatten(1))

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        fit(Broken(64, 2), train, val, Recipe(epochs=1), device="cpu", halve_on_oom=True)


def test_clipping_equals_pytorchs() -> None:
    images, labels = batch()
    ours, theirs = small_net(), small_net()
    stepper(ours, Recipe(**PLAIN, clip=0.01))(images, labels, 0.1)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1)
    F.cross_entropy(theirs(images), labels).backward()
    nn.utils.clip_grad_norm_(theirs.parameters(), 0.01)
    optimizer.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_the_average_of_weights_is_what_is_measured_and_kept(train: ImageSet, val: ImageSet) -> None:
    seen: list[dict[str, Tensor]] = []

    def watched(model: nn.Module, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        seen.append({name: value.clone() for name, value in model.named_parameters()})
        return Supervised(cross_entropy())(model, images, targets)

    net = small_net(norm=True)
    recipe = Recipe(epochs=1, batch_size=20, ema=0.5, lr=0.1)
    history = fit(net, train, val, recipe, device="cpu", objective=watched)
    raw = small_net(norm=True)
    fit(raw, train, val, Recipe(epochs=1, batch_size=20, lr=0.1), device="cpu")
    last = dict(raw.named_parameters())
    # After step k the average is half itself and half the weights; it starts as those after the first step.
    average = seen[1]
    for weights in [*seen[2:], last]:
        average = {name: 0.5 * average[name] + 0.5 * weights[name] for name in average}
    for name, value in net.named_parameters():
        torch.testing.assert_close(value, average[name])
    with torch.no_grad():
        net.eval()
        right = (net(val.float_images()).argmax(1) == val.labels).double().mean()
    assert history.final["val_accuracy"] == pytest.approx(right.item(), abs=1e-6)


def test_mixing_hands_soft_targets_to_the_loss_and_draws_by_seed(train: ImageSet, val: ImageSet) -> None:
    def swap(images: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        share = torch.rand((), generator=generator)
        draws.append(share.item())
        assert targets.shape == (len(images), 2) and torch.equal(targets.sum(1), torch.ones(len(images)))
        return share * images + (1 - share) * images.flip(0), share * targets + (1 - share) * targets.flip(0)

    runs = []
    for seed in (0, 0, 1):
        draws: list[float] = []
        fit(small_net(), train, val, Recipe(epochs=1, batch_size=50, mix=swap, seed=seed), device="cpu")
        runs.append(draws)
    assert len(set(runs[0])) == 4, "each batch has a draw of its own"
    assert runs[0] == runs[1] != runs[2]


def test_auxiliary_heads_count_three_tenths() -> None:
    class TwoHeads(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x, 2 * x

    scores, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    loss, main = Supervised(cross_entropy())(TwoHeads(), scores, labels)
    expected = F.cross_entropy(scores, labels) + 0.3 * F.cross_entropy(2 * scores, labels)
    torch.testing.assert_close(loss, expected)
    assert torch.equal(main, scores)


def test_googlenet_trains_with_its_auxiliary_heads() -> None:
    images = torch.randint(0, 256, (4, 3, 224, 224), dtype=torch.uint8)
    data = ImageSet(images, torch.tensor([0, 1, 0, 1]), ("a", "b"))
    net = create_model("googlenet", num_classes=2, aux=True)
    before = copy.deepcopy(net.state_dict())
    fit(net, data, data, Recipe(epochs=1, batch_size=4, lr=0.01), device="cpu")
    moved = {
        name.split(".")[0] for name, value in net.state_dict().items() if not torch.equal(value, before[name])
    }
    assert any("aux" in name for name in moved) and len(moved) > 3


def test_names_of_losses_and_objectives() -> None:
    def own_loss(scores: Tensor, targets: Tensor) -> Tensor:
        return scores.mean()

    assert name_of(Supervised(cross_entropy(0.1))) == "cross_entropy"
    assert name_of(Supervised(own_loss)) == "own_loss"


def test_loss_and_objective_together_are_refused(net: nn.Module, train: ImageSet, val: ImageSet) -> None:
    with pytest.raises(ValueError, match="give one of them"):
        fit(net, train, val, loss=cross_entropy(), objective=Supervised(cross_entropy()), device="cpu")


def test_cuda_graphs_on_a_cpu_are_refused(net: nn.Module, train: ImageSet, val: ImageSet) -> None:
    with pytest.raises(ValueError, match="cuda_graphs=True needs a CUDA GPU"):
        fit(net, train, val, Recipe(epochs=1, cuda_graphs=True), device="cpu")


@pytest.mark.parametrize(("seconds", "pays"), [(0.01, False), (0.1, True)])
def test_compiling_pays_when_the_rest_of_the_run_is_long(
    monkeypatch: pytest.MonkeyPatch, seconds: float, pays: bool
) -> None:
    """10,000 steps of 0.01 s are 100 s, of 0.1 s 1,000 s: compiling takes about a minute."""
    clock = iter(range(10**6))
    monkeypatch.setattr(torch.cuda, "synchronize", lambda *device: None)
    monkeypatch.setattr("convbook.training.accelerate.time.perf_counter", lambda: 20 * seconds * next(clock))
    accelerator = Accelerator(stepper(small_net(), Recipe()), steps=10_000, cuda_graphs=False)
    accelerator.on_gpu = True
    fused = []
    monkeypatch.setattr(accelerator, "fuse", lambda: fused.append(accelerator.seen))
    for _ in range(100):
        accelerator.adapt(*batch())
    assert fused == ([40] if pays else [])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("clip", [None, 0.1])
def test_a_recorded_step_learns_what_an_ordinary_one_does(
    train: ImageSet, val: ImageSet, clip: float | None
) -> None:
    results = []
    for graphs in (False, True):
        net = small_net(norm=True)
        recipe = Recipe(
            epochs=4, batch_size=20, precision="float32", cuda_graphs=graphs, clip=clip, compile=False
        )
        fit(net, train, val, recipe, device="cuda")
        results.append(net.state_dict())
    for name, value in results[0].items():
        torch.testing.assert_close(results[1][name], value, rtol=1e-3, atol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_compiled_run_learns_on_a_gpu(train: ImageSet, val: ImageSet) -> None:
    history = fit(
        small_net(norm=True), train, val, Recipe(epochs=4, batch_size=20, compile=True), device="cuda"
    )
    assert history.final["val_accuracy"] > 0.9
