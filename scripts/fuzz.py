"""Let schemathesis make up requests from the OpenAPI document of a real server: no 500, no answer that breaks the document.

    python scripts/fuzz.py --minutes 2

Needs the extras serve and dev. Leaves nothing behind; exits with 1 when something was found, with a curl line for each.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance"
SMALL = {  # so that made-up sizes and steps do not make the run about drawing
    "SAYSO_DRAW_PIXELS": "65536",
    "SAYSO_DRAW_SIDE": "512",
    "SAYSO_DEADLINE_SECONDS": "3",
    "SAYSO_BODY_MB": "8",
    "SAYSO_QUEUE_PER_KEY": "1000",
    "SAYSO_KEEP_ALIVE_SECONDS": "1",
    "SAYSO_FREE_MB": "0",
    "SAYSO_ENGINES": "fake",
    "SAYSO_LOG_LEVEL": "error",
}


def ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    environ = {**os.environ, **SMALL, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    with tempfile.TemporaryDirectory() as folder:
        serve = [sys.executable, "-m", "sayso", "serve", "--port", "0", "--data", folder, "--engine", "fake"]
        server = subprocess.Popen(serve, stdout=subprocess.PIPE, text=True, env=environ, cwd=folder)
        try:
            assert server.stdout is not None
            address = server.stdout.readline().partition("sayso is at ")[2].split()[0]
            until = time.monotonic() + 60
            while not ready(address) and time.monotonic() < until:
                time.sleep(0.2)
            words = [
                sys.executable,
                "-m",
                "schemathesis.cli",
                "run",
                f"{address}/openapi.json",
                "--checks",
                CHECKS,
                "--max-time",
                str(max(1, int(args.minutes * 60))),
                "--seed",
                str(args.seed),
                "--request-timeout",
                "30",
                "--no-color",
                "--warnings",
                "off",
                "--max-examples",
                "100000",
                "--phases",
                "coverage,fuzzing,stateful",
                "--continue-on-failure",
                "--generation-database",
                "none",
            ]
            return subprocess.run(words, env=environ, cwd=folder, check=False).returncode
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


if __name__ == "__main__":
    sys.exit(main())
