"""Gates, spatial maps and temperatures in Chromium, by mouse, keyboard and touch, beside PyTorch."""

import math
import re

import pytest
import torch
from driving import cbam_and_pictures, data_in, fact, gated_and_patches, press, teacher_and_student
from playwright.sync_api import expect

from convbook import plots
from convbook.explore.packed import unpack
from convbook.explore.temperature import TEMPERATURES

pytestmark = pytest.mark.browser


def shown(page):
    """What stands beside the bars, as numbers."""
    chart = page.locator("svg[role=img]").first
    said = re.findall(r": ([\d.]+)(?: × 10⁻([⁰¹²³⁴⁵⁶⁷⁸⁹]+))?(?:,|$)", chart.get_attribute("aria-label"))
    digits = {raised: str(i) for i, raised in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}
    return [float(a) * 10.0 ** -int("".join(digits[c] for c in b) or 0) for a, b in said]


def answer_by_hooks(model, x, image, gate):
    """PyTorch's probabilities when the last block gets the page's maps and these gates."""
    block = model.layer1[-1]
    maps = {key: unpack(image[key]).float()[None] for key in ("branch", "shortcut")}
    hooks = [
        block.register_forward_pre_hook(lambda module, args: (maps["shortcut"],)),
        block.bn2.register_forward_hook(lambda module, args, out: maps["branch"]),
        block.attention.gate.register_forward_hook(lambda module, args, out: gate.view(1, -1, 1, 1)),
    ]
    with torch.no_grad():
        probabilities = torch.softmax(model(x), dim=1)[0].tolist()
    for hook in hooks:
        hook.remove()
    return probabilities


@pytest.fixture
def network(samples):
    model, patches = gated_and_patches()
    data = data_in(samples("gates"))
    return lambda i, gate: answer_by_hooks(
        model, patches.float_images(slice(i, i + 1)), data["images"][i], gate
    ), data


@pytest.mark.parametrize(
    ("preset", "change"),
    [
        ("its own", lambda own, mean: own),
        ("mean over images", lambda own, mean: mean),
        ("all 1", lambda own, mean: torch.ones_like(own)),
        ("inverted, 1 − g", lambda own, mean: 1 - own),
        ("all 0", lambda own, mean: torch.zeros_like(own)),
    ],
)
def test_gates_answer_as_pytorch_does_for_every_setting(visit, network, preset, change):
    answer, data = network
    page = visit("gates")
    page.get_by_role("radio", name="3: china, bottom").check()
    page.get_by_label(preset, exact=True).check()
    gate = change(torch.tensor(data["images"][2]["gates"]), torch.tensor(data["mean"]))
    assert shown(page) == pytest.approx(answer(2, gate), abs=1e-4)


def test_one_gate_by_keyboard_and_touch_moves_the_answer_as_in_pytorch(visit, network):
    answer, data = network
    page = visit("gates", viewport={"width": 390, "height": 800}, has_touch=True)
    page.locator("label:has(img)").nth(1).tap()
    page.locator("label:has(canvas)").nth(5).tap()
    press(page, "Gate of the chosen channel", "End")
    press(page, "Gate of the chosen channel", "ArrowLeft", 40)
    gate = torch.tensor(data["images"][1]["gates"])
    gate[5] = 0.96
    assert page.get_by_label("as I set them").is_checked()
    assert shown(page) == pytest.approx(answer(1, gate), abs=1e-4)
    gate[5] = 0
    closed = answer(1, gate)[data["images"][1]["label"]]
    assert float(fact(page, "Without this channel")) == pytest.approx(closed, abs=1e-4)
    expect(page.get_by_role("status")).to_contain_text("Channel 5: gate 0.960")


def test_spatial_map_by_mouse_keyboard_and_touch_reads_what_pytorch_computes(visit):
    page = visit("spatial_map", viewport={"width": 700, "height": 900}, has_touch=True)
    net, train, pictures = cbam_and_pictures()
    x = train.normalise(pictures["two digits"][None])
    gate = plots.capture(net, x, "layer2.0.attention.spatial_gate")["layer2.0.attention.spatial_gate"][0, 0]
    page.get_by_label("stage 2, block 1").check()
    over = page.locator(".cb-picture").first
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    rows, columns = gate.shape

    def here():
        return float(fact(page, "Gate here"))

    page.mouse.click(box["x"] + box["width"] * 5.5 / columns, box["y"] + box["height"] * 2.5 / rows)
    assert here() == pytest.approx(gate[2, 5].item(), abs=1e-4)
    page.touchscreen.tap(box["x"] + box["width"] * 1.5 / columns, box["y"] + box["height"] * 3.5 / rows)
    assert here() == pytest.approx(gate[3, 1].item(), abs=1e-4)
    press(page, "Row", "Home")
    press(page, "Column", "End")
    assert here() == pytest.approx(gate[0, -1].item(), abs=1e-4)

    press(page, "Show only where the gate is at least", "ArrowRight", 55)
    share = 100 * (gate >= 0.55).float().mean().item()
    assert float(fact(page, "Shown").split()[0]) == pytest.approx(share, abs=0.06)
    alpha = page.locator("canvas").first.evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
        ".filter((_, i) => i % 4 === 3)"
    )
    assert [a > 0 for a in alpha] == (gate >= 0.55).flatten().tolist()


@pytest.mark.parametrize("gating", ["as trained", "its mean", "off (all 1)"])
def test_spatial_map_switched_off_answers_as_pytorch_does(visit, gating):
    page = visit("spatial_map")
    net, train, pictures = cbam_and_pictures()
    page.get_by_label("one digit").check()
    page.get_by_label(gating, exact=True).check()
    change = {
        "as trained": lambda g: g,
        "its mean": lambda g: g.mean() + 0 * g,
        "off (all 1)": torch.ones_like,
    }
    gate = net.layer1[0].attention.spatial_gate
    gate.register_forward_hook(lambda module, args, out: change[gating](out))
    with torch.no_grad():
        expected = torch.softmax(net(train.normalise(pictures["one digit"][None])), dim=1)[0]
    assert shown(page) == pytest.approx(expected.tolist(), abs=1e-4)


@pytest.mark.parametrize(("steps", "image"), [(0, 0), (6, 1), (14, 3), (len(TEMPERATURES) - 1, 2)])
def test_temperature_shows_torchs_softmax_entropy_and_gradients(visit, samples, steps, image):
    page = visit("temperature")
    data = data_in(samples("temperature"))["images"][image]
    page.get_by_role("radio", name=data["name"]).check()
    press(page, "Temperature T", "Home")
    press(page, "Temperature T", "ArrowRight", steps)
    T = TEMPERATURES[steps]
    teacher = torch.tensor(data["logits"], dtype=torch.double)
    p = torch.softmax(teacher / T, dim=0)
    assert shown(page) == pytest.approx(p.tolist(), abs=1e-4)
    assert float(fact(page, "Entropy").split()[0]) == pytest.approx(-(p * p.log()).sum().item(), abs=1e-4)

    student = torch.tensor(data["students"]["trained a little"], dtype=torch.double, requires_grad=True)
    soft = torch.nn.functional.cross_entropy(student[None] / T, p[None])
    bare = torch.autograd.grad(soft, student)[0].norm().item()
    hard = (
        torch.autograd.grad(
            torch.nn.functional.cross_entropy(student[None], torch.tensor([data["label"]])), student
        )[0]
        .norm()
        .item()
    )
    for term, expected in (("Soft loss alone", bare), ("times T²", bare * T**2), ("Loss of the label", hard)):
        assert float(fact(page, term)) == pytest.approx(expected, rel=1e-3)
    share = 100 * bare * T**2 / (bare * T**2 + hard)
    assert float(fact(page, "Share of the teacher").split()[0]) == pytest.approx(share, abs=0.06)


def test_temperature_by_touch_changes_image_student_and_scale(visit, samples):
    page = visit("temperature", viewport={"width": 390, "height": 800}, has_touch=True)
    data = data_in(samples("temperature"))["images"]
    page.locator("label:has(img)").nth(2).tap()
    assert shown(page) == pytest.approx(torch.softmax(torch.tensor(data[2]["logits"]), 0).tolist(), abs=1e-4)
    page.locator("label", has_text="knows nothing").tap()
    p = torch.softmax(torch.tensor(data[2]["logits"]), dim=0)
    assert float(fact(page, "Soft loss alone")) == pytest.approx((p - 0.1).norm().item(), abs=1e-4)
    widths = "rects => rects.map((r) => Number(r.getAttribute('width')))"
    page.locator("label", has_text="logarithmic").tap()
    lengths = page.locator("svg").first.locator("rect").evaluate_all(widths)
    expected = [190 * max(0, 1 - math.log(each) / math.log(1e-8)) for each in p.tolist()]
    assert lengths == pytest.approx(expected, abs=0.6)


def test_the_teacher_of_the_samples_scores_what_the_page_holds(samples):
    teacher, _, images, _ = teacher_and_student()
    held = {tuple(image["logits"]) for image in data_in(samples("temperature"))["images"]}
    with torch.no_grad():
        assert held <= {tuple(row) for row in teacher(images).tolist()}
