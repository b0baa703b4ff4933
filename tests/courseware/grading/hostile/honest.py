"""Students who mean well, with the exercises that each of them gets right."""

from collections.abc import Iterator
from typing import NamedTuple

from .sheets import EXERCISES, as_bytes, sheet, solved, words

STUDENTS = 32
# exercise -> a usual mistake in the solved source: what stands there, and what a student wrote.
MISTAKES = {
    "conv_weights": ("(channels_in // groups)", "channels_in"),
    "grouped_conv": ("padding=1", "padding=0"),
    "ResidualBlock": ("F.relu(self.branch(x) + x)", "F.relu(self.branch(x)) + x"),
    "make_shortcut": ("1, stride=stride, bias=False", "1, bias=False"),
    "Bottleneck": ("nn.Conv2d(width, channels_out, 1, bias=False)", "nn.Conv2d(width, channels_out, 1)"),
    "AggregatedBottleneck": ("groups=cardinality", "groups=1"),
    "matched_width": ("9 * width * total", "9 * total * total"),
}


class Student(NamedTuple):
    """Somebody's file, and what it is worth."""

    name: str
    earns: tuple[str, ...]
    content: bytes


def students() -> Iterator[Student]:
    """Each makes another choice of the mistakes; every fourth has not written what the others got wrong."""
    right = solved()
    for number in range(STUDENTS):
        chosen = {name for place, name in enumerate(EXERCISES) if (5 * number) % 128 >> place & 1}
        answers = {name: _wrong(name, cell) if name in chosen else cell for name, cell in right.items()}
        if number % 4 == 3:
            answers = {name: cell for name, cell in answers.items() if name not in chosen}
        name = f"honest-{number:02d}"
        content = as_bytes(sheet(answers, words(f"What {name} thinks: the intervals overlap.")))
        yield Student(name, tuple(each for each in EXERCISES if each not in chosen), content)


def _wrong(name: str, cell: str) -> str:
    old, new = MISTAKES[name]
    assert cell.count(old) == 1, f"{name}: the solved source has changed, choose another mistake than {old!r}"
    return cell.replace(old, new)
