"""A process that writes events until it is killed, and says on stdout what append took.

    python -m serving_image.tests.events.killed_writer FOLDER FIRST FLUSH_INTERVAL_SECONDS EVENTS

EVENTS is how many it appends in about a millisecond. Each line it prints is the number of the last
line taken, and when: the moments at which a server would have sent its answers.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from serving_image.tests.events.event_support import line, settings

from servestack_server.events.writer import EventWriter


def main() -> None:
    folder, first, interval = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    count = int(sys.argv[4])
    events = settings(folder, disk_budget_bytes=256 << 20)
    writer = EventWriter(events, registry=folder / "none", flush_interval_seconds=interval)
    writer.start()
    number = first
    while True:
        for _ in range(count):
            if not writer.append("predictions", line(number)):
                os.write(2, b"refused\n")
            number += 1
        os.write(1, b"%d %f\n" % (number, time.monotonic()))
        # The rest of what a server does for these requests.
        time.sleep(0.001)


if __name__ == "__main__":
    main()
