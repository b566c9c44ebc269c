"""What is looked for in a sheet before a library gets to read it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from batch.workbook.readable import any_longer


@given(st.lists(st.integers(0, 40), max_size=12), st.integers(0, 60))
def test_a_shared_string_longer_than_a_limit_is_found_wherever_it_stands(lengths: list[int], limit: int) -> None:
    strings = b"<sst>" + b"".join(b"<si>%s</si>" % (b"x" * length) for length in lengths) + b"</sst>"
    assert any_longer(strings, limit) == any(len(item) > limit for item in strings.split(b"</si>"))
