"""Networks side by side, layer by layer, at equal resolution: cost, memory, receptive field, time."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from convbook.models import create_model
from convbook.profile import BYTES_PER_ACTIVATION, LayerRow, Profile, profile
from convbook.tables import html_table
from convbook.timing import Timing, measure_layers

__all__ = ["Comparison", "Cost", "compare", "short"]

COLUMNS = ("layer", "params", "MACs", "memory", "field", "ms")
Place = tuple[int, int]  # (how often the network had this resolution before, the resolution)
HEAD: Place = (1 << 30, 0)  # behind the last layer with positions


@dataclass(frozen=True)
class Cost:
    """What one layer, or a whole network, takes for one image."""

    layer: str
    params: int
    macs: int
    memory: int  # bytes of its outputs in float32
    field: int | None  # receptive field in pixels
    ms: float | None  # None where no time was measured

    def cells(self, timed: bool) -> list[str]:
        """Return the columns as short texts."""
        texts = [self.layer, short(self.params), short(self.macs), short(self.memory, "B")]
        texts.append("–" if self.field is None else str(self.field))
        return texts + ([f"{self.ms:.2f}" if self.ms is not None else "–"] if timed else [])


@dataclass(frozen=True, repr=False)
class Comparison:
    """Two networks or more; a notebook shows it as one accessible table.

    Layers whose outputs have the same height stand beside each other, in the order of execution; a gate
    that has no positions stands with the block that it serves. What neither has parameters nor writes a
    new map, such as an activation in place, is left out, but for its time in the total.
    """

    profiles: list[Profile]
    timings: list[Timing | None]
    depth: int | None = None

    @property
    def timed(self) -> bool:
        """Whether times were measured."""
        return all(timing is not None for timing in self.timings)

    def totals(self) -> list[Cost]:
        """Return one cost a network."""
        return [
            Cost(p.name, p.params, p.macs, p.activation_bytes, p.receptive_field, t.total if t else None)
            for p, t in zip(self.profiles, self.timings, strict=True)
        ]

    def sections(self) -> Iterator[tuple[str, list[tuple[Cost | None, ...]]]]:
        """Give, for each resolution, its heading and the layers side by side."""
        networks = [self._by_place(p, t) for p, t in zip(self.profiles, self.timings, strict=True)]
        places = sorted({place for network in networks for place in network}, key=_order)
        for place in places:
            heading = "head" if place == HEAD else f"{place[1]}×{place[1]}"
            yield heading, list(zip_longest(*(network.get(place, []) for network in networks)))

    def _by_place(self, whole: Profile, timing: Timing | None) -> dict[Place, list[Cost]]:
        rows = [row for row in whole.table(self.depth).rows if row.params or row.activations]
        positions = [row.output_shape[-1] if len(row.output_shape) == 3 else 1 for row in rows]
        last = max((i for i, side in enumerate(positions) if side > 1), default=-1)
        found: dict[Place, list[Cost]] = {}
        visits: dict[int, int] = {}
        side = 0
        for i, (row, here) in enumerate(zip(rows, positions, strict=True)):
            if 1 < here != side:
                visits[here] = visits.get(here, -1) + 1
                side = here
            place = HEAD if i > last else (visits.get(side, 0), side)
            found.setdefault(place, []).append(_cost(row, timing))
        return found

    def headings(self) -> list[str]:
        """Return the names of the columns: those of the first network, of the second, ..."""
        columns = COLUMNS if self.timed else COLUMNS[:-1]
        return ["output", *(column for _ in self.profiles for column in columns)]

    def rows(self) -> list[list[str]]:
        """Return the table's body as text, the totals last."""
        blank = [""] * (len(COLUMNS) - (not self.timed))
        body = [
            [heading, *(text for cost in line for text in (cost.cells(self.timed) if cost else blank))]
            for heading, lines in self.sections()
            for line in lines
        ]
        return [*body, ["total", *(text for cost in self.totals() for text in cost.cells(self.timed))]]

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return a dictionary a network: its totals and its layers."""
        networks = [self._by_place(p, t) for p, t in zip(self.profiles, self.timings, strict=True)]
        return [
            {
                "model": p.name,
                "input_size": list(p.input_size),
                "device": t.device if t else None,
                "total": vars(total),
                "layers": [vars(c) for place in sorted(n, key=_order) for c in n[place]],
            }
            for p, t, total, n in zip(self.profiles, self.timings, self.totals(), networks, strict=True)
        ]

    def caption(self) -> str:
        """Say what is compared, on which images and on what machine."""
        names = ", ".join(f"{p.name} ({' × '.join(map(str, p.input_size))})" for p in self.profiles)
        device = next((t.device for t in self.timings if t), None)
        return f"One image through {names}" + (f"; times on {device}" if device else "")

    def to_markdown(self) -> str:
        """Return the table in Markdown."""
        headings = self.headings()
        lines = [headings, ["---"] * len(headings), *self.rows()]
        return f"{self.caption()}\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines)

    def __repr__(self) -> str:
        return self.to_markdown()

    def _repr_html_(self) -> str:
        headings = self.headings()
        width = (len(headings) - 1) // len(self.profiles)
        numeric = {i for i in range(1, len(headings)) if (i - 1) % width}
        return html_table(self.caption(), headings, self.rows(), numeric=numeric, totals=True)


def compare(
    *names: str,
    image_size: int | None = None,
    depth: int | None = None,
    time: bool = True,
    repeats: int = 5,
    device: str = "cpu",
) -> Comparison:
    """Set registered networks side by side.

    Args:
        *names: two or more of ``list_models()``; a name twice is no mistake.
        image_size: height and width of the images; by default what each paper used.
        depth: sums up modules below this level: 1 gives the stages of most networks. None: every layer.
        time: whether to build the networks and time their layers; counts alone need no memory.
        repeats: timed passes, of which the median counts.
        device: where to time, "cpu" or "cuda".

    Raises:
        ValueError: if fewer than two names are given, one is unknown or the images are too small.
    """
    if len(names) < 2:
        raise ValueError("compare needs two networks or more: name another one of list_models()")
    profiles: list[Profile] = []
    timings: list[Timing | None] = []
    for name in names:
        found = profile(name)
        if image_size is not None:
            found = profile(name, (found.input_size[0], image_size, image_size))
        profiles.append(found)
        model = create_model(name) if time else None
        timings.append(
            measure_layers(model, found.input_size, repeats=repeats, device=device) if model else None
        )
    return Comparison(profiles, timings, depth)


def short(number: float, unit: str = "") -> str:
    """Write a count in three digits: 25557032 as 25.6M; bytes in powers of 1024."""
    base, prefixes = (1024, ("", "Ki", "Mi", "Gi", "Ti")) if unit else (1000, ("", "k", "M", "G", "T"))
    power = 0
    while abs(number) >= base * 0.9995 and power < len(prefixes) - 1:
        number, power = number / base, power + 1
    if power == 0:
        return f"{number:.0f}{unit}"
    decimals = 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:.{decimals}f}{prefixes[power]}{unit}"


def _cost(row: LayerRow, timing: Timing | None) -> Cost:
    field = row.receptive_field
    memory = BYTES_PER_ACTIVATION * row.activations
    return Cost(row.name, row.params, row.macs, memory, field, _inside(row.name, timing))


def _inside(name: str, timing: Timing | None) -> float | None:
    """The time of a layer, or of all layers in a module."""
    if timing is None:
        return None
    return sum(ms for layer, ms in timing.layers.items() if layer == name or layer.startswith(name + "."))


def _order(place: Place) -> Place:
    visit, side = place
    return (visit, side if visit else -side)  # down by resolution first, then up again in a decoder
