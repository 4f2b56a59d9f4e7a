"""A process that has imported everything and forks a child for each job: a fresh process without the second of imports.

Reads one JSON job a line; answers `started PID...`, then `ended CODE...` once the children are gone. A job with `copies` is
done by so many children, which begin at the same moment.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any

from tests.crash.world import perform


def main() -> None:
    """Serve jobs until standard input ends."""
    for line in sys.stdin:
        job = json.loads(line)
        waits, gate = os.pipe()
        copies = [fork({**job, "copy": copy}, waits, gate) for copy in range(job.get("copies", 1))]
        os.close(waits)
        print("started", *copies, flush=True)
        os.close(gate)
        print("ended", *(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in copies), flush=True)


def fork(job: dict[str, Any], waits: int, gate: int) -> int:
    """Fork a child that begins once every writing end of the pipe is closed, and return its id."""
    pid = os.fork()
    if pid:
        return pid
    os.close(gate)
    code = 0
    try:
        os.read(waits, 1)
        perform(job)
    except BaseException:
        traceback.print_exc()
        code = 1
    os._exit(code)


if __name__ == "__main__":
    main()
