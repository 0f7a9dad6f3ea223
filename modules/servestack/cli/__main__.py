"""`python -m servestack.cli`."""

from servestack.cli.entry import main

main()
