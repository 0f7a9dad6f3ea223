"""`python -m servestack.cli`."""

from servestack.cli.main import main

main()
