"""Where a network's stages begin and end: read off its module tree and the sizes of its maps."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from convbook.profile import Profile

Side = tuple[int, ...]  # (H, W) of a map; () where a vector has no positions
POINT = (1, 1)


@dataclass(frozen=True)
class Stage:
    """Neighbouring modules that hand on maps of one size."""

    units: list[str]  # names of modules, in the order of execution
    side: Side  # (H, W); () for the head behind the last map
    ran: bool = True  # False for what a plain forward pass leaves out


class Tree:
    """The modules of a profile that hold layers, children in the order of execution."""

    def __init__(self, whole: Profile) -> None:
        self.whole = whole
        self.rows = {row.name: row for row in whole.rows}
        self.first: dict[str, int] = {}
        self.last: dict[str, int] = {}
        self.children: dict[str, list[str]] = {}
        for i, row in enumerate(whole.rows):
            parts = row.name.split(".")
            for depth in range(len(parts) + 1):
                path = ".".join(parts[:depth])
                if path not in self.first:
                    self.first[path] = i
                    if path:
                        self.children.setdefault(".".join(parts[: depth - 1]), []).append(path)
                self.last[path] = i

    def side(self, name: str) -> Side:
        """(H, W) of what a module hands on; a mere list of modules passes for its first one."""
        shape = self.whole.modules[name].output_shape
        if not shape and self.children.get(name):
            return self.side(self.children[name][0])
        return shape[-2:] if len(shape) > 2 else ()

    def ran(self, name: str) -> bool:
        """Whether any layer of a module took part."""
        rows = self.whole.rows[self.first[name] : self.last[name] + 1]
        inside = (row for row in rows if row.name == name or row.name.startswith(f"{name}."))
        return any(row.output_shape or row.macs for row in inside)

    def units(self, name: str = "") -> list[str]:
        """The largest modules inside that work at one resolution, in the order of execution."""
        if not self._is_opened(name):
            return [name]
        inside = [unit for child in self.children[name] for unit in self.units(child)]
        return sorted(inside, key=lambda unit: self.first[unit])

    def _is_opened(self, name: str) -> bool:
        """Whether to look for stages inside a module: in lists and sequences whose parts differ in size."""
        parts, module = self.children.get(name, []), self.whole.modules[name]
        if not parts or name in self.rows or (name and not self.ran(name)):
            return False
        if not name:
            return True
        sides = {self.side(part) for part in parts}
        if not module.output_shape:
            return not self._is_parallel(name)
        if module.kind == "Sequential":
            return len(sides) > 1
        return not self.side(name) and len(sides - {(), POINT}) > 1  # a network within a network

    def _is_parallel(self, name: str) -> bool:
        """Whether the parts of a list see one image at falling sizes, and the next layer the first size."""
        sides = [self.side(part) for part in self.children[name]]
        falling = all(a > b for a, b in pairwise(sides))
        first, last = self.first[name], self.last[name]
        together = all(row.name.startswith(f"{name}.") for row in self.whole.rows[first : last + 1])
        if len(sides) < 2 or not falling or not together or last + 1 == len(self.whole.rows):
            return False
        return self.side(self.whole.rows[last + 1].name) == sides[0]


def stages(tree: Tree) -> list[Stage]:
    """Group a network's modules: one stage a run of modules with equal resolution, then the head."""
    units = [unit for unit in tree.units() if tree.ran(unit)]
    with_maps = [i for i, unit in enumerate(units) if tree.side(unit) not in ((), POINT)]
    head = with_maps[-1] + 1 if with_maps else 0
    found: list[Stage] = []
    for i, unit in enumerate(units):
        side = () if i >= head else tree.side(unit)
        if found and (found[-1].side == side or (i < head and not side)):
            found[-1].units.append(unit)
        else:
            found.append(Stage([unit], side))
    left = [unit for unit in tree.units() if not tree.ran(unit)]
    return [*found, Stage(left, (), ran=False)] if left else found
