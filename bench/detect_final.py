"""The final worlds, once a release: `python -m bench.detect_final`. The result is written down as it came out.

Nothing that is tuned may be looked at with them. This is the only program that names the final set.
"""

from __future__ import annotations

from bench.detect import measure
from gatewatch.simulate.seeds import FINAL


def main() -> None:
    measure(FINAL.eventful, FINAL.quiet, listed=False)


if __name__ == "__main__":
    main()
