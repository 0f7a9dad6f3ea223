"""A newcomer's first hour, from the README of a project that `servestack init` made and from
`docs/tutorial.md`. `test_first_project.py` installs the wheel of this checkout and follows the
README; `test_quickstart_page.py` runs the page's lines that run without a Docker daemon, and
holds the others to what they name.
"""
