"""The examples in the docstrings are true."""

import doctest
from importlib import import_module

import pytest

MODULES = ("constraint", "deeper", "distillation", "ensemble", "specialists", "transfer_set", "wider")


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str) -> None:
    result = doctest.testmod(import_module(f"convbook.transfer.{name}"))
    assert result.attempted > 0 and result.failed == 0
