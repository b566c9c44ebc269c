"""The files of the orders: what a buyer writes stays one cell, and is calculated by nobody."""

from __future__ import annotations

import csv
import io

from batch.order_files import csv_line


def test_a_text_of_several_lines_is_one_cell() -> None:
    """No line of it becomes a row of its own, or a formula at the beginning of one."""
    texts = ["Dzień dobry,\nproszę szybko\n=cmd|'/C calc'!A0", "a\r=2", "zwykły"]
    file = io.StringIO(f"{csv_line(texts)}\r\n{csv_line(['x', 'y', 'z'])}\r\n", newline="")
    assert list(csv.reader(file, delimiter=";")) == [texts, ["x", "y", "z"]]
    assert csv_line(["=1", "+1-2"]) == "'=1;'+1-2"
