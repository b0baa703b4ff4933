"""The class as a folder of submissions, with what each of them earns."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from . import answering, breaking, broken, exhausting, forging, honest, spying
from .sheets import EXERCISES, as_bytes, attack_cell, sheet, solved

BESIDE = ("make_shortcut", "matched_width")  # solved in every notebook that holds an attack
TENSORS = {*answering.TENSORS, spying.guesses_the_seed}
AT_ONCE = (
    exhausting.loops_for_ever,
    exhausting.forks_without_end,
    breaking.exits_at_once,
    breaking.raises_system_exit,
    breaking.raises_keyboard_interrupt,
    breaking.closes_every_descriptor,
    forging.agrees_by_torch,
    forging.agrees_by_every_function,
    forging.rewrites_the_driver,
    forging.writes_to_every_descriptor,
)
AT_ONCE_ENDING = "-at-once"


@dataclass(frozen=True)
class Entry:
    """One submission of the class.

    Attributes:
        name: of the file, without its ending.
        why: what it tries, or what is wrong with it.
        earns: the exercises whose points it has earned, all others none; None if it cannot be run.
        sha256: of the file; "" where there is no file's content.
        hostile: whether it is.
    """

    name: str
    why: str
    earns: tuple[str, ...] | None
    sha256: str
    hostile: bool = True


def write_class(folder: Path) -> list[Entry]:
    """Write every submission into `folder`, hostile and honest ones in turns of the alphabet."""
    folder.mkdir()
    entries = []
    for name, why, earns, content in [*attacks(), *files()]:
        (folder / (name if name.endswith(".zip") else f"{name}.ipynb")).write_bytes(content)
        entries.append(Entry(name, why, earns, sha256(content).hexdigest()))
    for name, earns, content in honest.students():
        (folder / f"{name}.ipynb").write_bytes(content)
        entries.append(Entry(name, "honest", earns, sha256(content).hexdigest(), hostile=False))
    for older, newer in broken.doubles():
        for number, file in enumerate((older, newer)):
            path = folder / f"{file.name}.ipynb"
            path.write_bytes(file.content)
            os.utime(path, (10**9 + number, 10**9 + number))
        entries.append(Entry(newer.name, newer.why, newer.earns, sha256(newer.content).hexdigest()))
    links = broken.special(folder)
    return entries + [Entry(name, why, None, "") for name, why in links.items()]


def attacks() -> Iterator[broken.File]:
    """A notebook for each attack: an exercise that it answers, and others that are solved."""
    right = solved()
    beside = {name: right[name] for name in BESIDE}
    for name, attack in attacks_by_name().items():
        cell = attack_cell(attack, exercise(attack), at_once=name.endswith(AT_ONCE_ENDING))
        yield _file(name, attack, BESIDE, {exercise(attack): cell} | beside)
    nothing = {name: attack_cell(forging.agrees_by_torch, name) for name in EXERCISES}
    yield _file("agrees-everywhere", forging.agrees_by_torch, (), nothing)


def attacks_by_name() -> dict[str, Callable]:
    """Every attack by the name of its file; some come twice: when called, and already when defined."""
    modules = (exhausting, breaking, spying, forging, answering)
    found = {attack.__name__: attack for module in modules for attack in module.ATTACKS}
    return found | {f"{attack.__name__}{AT_ONCE_ENDING}": attack for attack in AT_ONCE}


def exercise(attack: Callable) -> str:
    """The exercise that an attack answers."""
    if attack in answering.MODULES + forging.MODULES:
        return "ResidualBlock"
    return "grouped_conv" if attack in TENSORS else "conv_weights"


def files() -> Iterator[broken.File]:
    """Files that are hostile in themselves."""
    yield from broken.unreadable()
    yield from broken.damaged()
    yield from broken.named()
    yield from broken.archives()


def _file(name: str, attack: Callable, earns: tuple[str, ...], answers: dict[str, str]) -> broken.File:
    return broken.File(name, attack.__doc__ or "", earns, as_bytes(sheet(answers)))
