"""All tests under Wine, those that are too slow for CI included: `python -m tests.windows`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.windows.windows_python import WHOLE

if __name__ == "__main__":
    os.environ[WHOLE] = "1"
    sys.exit(pytest.main([str(Path(__file__).parent), "--durations=5", *sys.argv[1:]]))
