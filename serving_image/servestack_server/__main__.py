"""Runs the command: `python -m servestack_server`."""

import sys

from servestack_server.cli import main

sys.exit(main())
