"""The reference for what a row costs: sends calls one after the other with `requests` and reads the answers.

`python -m tests.bench.bare_loop FILE`: FILE is JSON, `[[method, url, headers, body], …]`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import requests


def main() -> None:
    calls = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    with requests.Session() as http:
        for method, url, headers, body in calls:
            answer = http.request(method, url, headers=headers, data=body, allow_redirects=False, timeout=60)
            answer.raise_for_status()
            if answer.content:
                answer.json()


if __name__ == "__main__":
    main()
