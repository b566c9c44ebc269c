"""Cells are written in rectangles: all of them, once, and no others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from batch.workbook.blocks import blocks

CELLS = st.dictionaries(st.tuples(st.integers(1, 12), st.integers(1, 6)), st.integers(), max_size=60)


@given(CELLS)
def test_every_cell_is_in_one_block(cells: dict[tuple[int, int], int]) -> None:
    """Cut apart again, the blocks are the cells they were made of."""
    found = [
        ((row, column), value)
        for block in blocks(cells)
        for row, values in enumerate(block.rows, block.area.top)
        for column, value in enumerate(values, block.area.left)
    ]
    assert len(found) == len(cells)
    assert dict(found) == cells


@given(CELLS)
def test_the_area_of_a_block_is_its_values(cells: dict[tuple[int, int], int]) -> None:
    for block in blocks(cells):
        area = block.area
        assert len(block.rows) == area.bottom - area.top + 1
        assert {len(row) for row in block.rows} == {area.right - area.left + 1}


def test_a_full_rectangle_is_one_block() -> None:
    """Two thousand answers of four columns are written at once; a gap makes two blocks, a hole three more."""
    cells = {(row, column): 0 for row in range(2, 2002) for column in range(9, 13)}
    assert [str(block.area) for block in blocks(cells)] == ["I2:L2001"]
    without = {at: value for at, value in cells.items() if at[0] != 1000 and at != (1500, 10)}
    assert [str(block.area) for block in blocks(without)] == [
        "I2:L999", "I1001:L1499", "I1500", "K1500:L1500", "I1501:L2001",
    ]  # fmt: skip
