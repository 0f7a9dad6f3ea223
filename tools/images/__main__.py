"""The command: python -m tools.images [serving|filebeat|all] [--variant=base|keras|pytorch]."""

from __future__ import annotations

import argparse

from tools.images.build import build
from tools.images.catalogue import filebeat, serving

_parser = argparse.ArgumentParser(prog="python -m tools.images", description="Build images.")
_parser.add_argument("image", nargs="?", default="all", choices=("serving", "filebeat", "all"))
_parser.add_argument("--variant", default="base", choices=("base", "keras", "pytorch"))
_given = _parser.parse_args()
if _given.image != "filebeat":
    print(build(serving(_given.variant)))
if _given.image != "serving":
    print(build(filebeat()))
