"""Fuzzing in short form: a few cases of every target, named by their seed. `python -m tests.fuzz` is the whole."""

from __future__ import annotations

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as options
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

EXAMPLES = {"workbook": 30, "settings": 50, "token_file": 100, "answer": 150, "grant": 100, "job": 2}


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_comes_is_read_or_refused(name: str) -> None:
    """No traceback, no hang, nothing damaged; the seed of a failure is one for `python -m tests.fuzz`."""

    @options(max_examples=EXAMPLES[name], deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 2**48))
    def one(seed: int) -> None:
        with TemporaryDirectory() as folder:
            assert TARGETS[name](Random(seed), Path(folder))

    one()
