"""What the benchmark is at, on standard error: the table on standard output stays alone."""

import sys
import time

BEGAN = time.monotonic()


def say(text: str) -> None:
    sys.stderr.write(f"{time.monotonic() - BEGAN:6.0f} s  {text}\n")
    sys.stderr.flush()
