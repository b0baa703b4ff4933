import json
from typing import Any

import pytest
from made_results import TURNED, made, not_run, png

from courseware.grading.result import Result


@pytest.mark.parametrize(
    "result", [made("ada", 1, 0.5, 0), not_run("bob"), made("eve", 0, 0, 0, message=TURNED)]
)
def test_a_result_survives_json(result: Result) -> None:
    assert Result.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_points_are_sums_over_exercises() -> None:
    result = made("ada", 1, 0.5, 0)
    assert (result.points, result.of) == (20 + 15, 20 + 30 + 50)
    assert [exercise.passed for exercise in result.exercises] == [True, False, False]


def test_zero_points_are_a_grade_and_not_run_is_none() -> None:
    assert made("ada", 0, 0, 0).graded
    assert not not_run("bob").graded


def exercise(**changed: Any) -> dict[str, Any]:
    value = made().to_json()
    return value | {"exercises": [value["exercises"][0] | changed, *value["exercises"][1:]]}


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        {},
        made().to_json() | {"more": 1},
        {key: value for key, value in made().to_json().items() if key != "words"},
        made().to_json() | {"student": 7},
        made().to_json() | {"sha256": "AB" * 32},
        made().to_json() | {"status": "perfect"},
        made().to_json() | {"reason": "although it was graded"},
        made().to_json() | {"exercises": []},
        made().to_json() | {"seconds": float("nan")},
        made().to_json() | {"seconds": True},
        made().to_json() | {"attempts": 1.5},
        made().to_json() | {"words": "w" * 20_001},
        made().to_json() | {"notes": "a text is a list of letters too"},
        made().to_json() | {"figures": [png()] * 4},
        made().to_json() | {"figures": ["not base64!"]},
        made().to_json() | {"figures": ["aGVsbG8="]},
        not_run("bob").to_json() | {"reason": ""},
        not_run("bob").to_json() | {"exercises": made().to_json()["exercises"]},
        exercise(points=20.5),
        exercise(points=-1),
        exercise(points=float("inf"), of=float("inf")),
        exercise(message="x" * 501),
        exercise(name="grouped_conv"),
    ],
)
def test_anything_odd_is_refused(odd: Any) -> None:
    with pytest.raises(ValueError):
        Result.from_json(odd)
