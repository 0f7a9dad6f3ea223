"""An image small enough to make in a moment: busybox, the C library it needs, one page to serve."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from tools.cluster.scratch_image import write_image

from tests.support.tools import installed

IMAGE = "localhost/servestack/busybox:1"
PAGE = "a page of busybox\n"
_COMMANDS = ("httpd", "nslookup", "sh", "sleep", "wget")


def write_busybox_image(archive: Path) -> None:
    """Write IMAGE as a docker-archive; `httpd -f -p 8080 -h /www` in it serves PAGE."""
    busybox = installed("busybox-dynamic")
    needs = subprocess.run(["ldd", busybox], check=True, capture_output=True, text=True).stdout
    libraries = re.findall(r"(/\S+) \(0x", needs)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "index.html"
        page.write_text(PAGE)
        write_image(
            archive,
            IMAGE,
            {"/bin/busybox": busybox, "/www/index.html": page}
            | {library: Path(library) for library in libraries},
            ["/bin/busybox"],
            {f"/bin/{command}": "busybox" for command in _COMMANDS},
        )
