"""`python -m gatewatch` is `gatewatch`."""

import sys

from gatewatch.cli import main

sys.exit(main())
