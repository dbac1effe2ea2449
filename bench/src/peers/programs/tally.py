"""What the Python programs share: the arguments, the email, and a count that forked workers have in common."""

import importlib.metadata
import json
import multiprocessing
import os
import platform
import sys
import threading
import time

REDIS_URL = os.environ["REDIS_URL"]

# How many were handled, and when the first and the last of them were. On Linux this clock is the same in all processes.
_handled = multiprocessing.Array("d", 3)


def email(number):
    return json.loads(os.environ["EMAIL"].replace("000000000000", f"{number:012}"))


def handle():
    """The whole of a job."""
    now = time.monotonic()
    with _handled.get_lock():
        _handled[0] += 1
        _handled[1] = _handled[1] or now
        _handled[2] = now


def main(package, enqueue, work):
    """`enqueue` gets the numbers of a batch, `work` the concurrency and the mode; `work` does not return."""
    if sys.argv[1] == "enqueue":
        emails, limit = int(sys.argv[2]), float(sys.argv[3])
        deadline, start = time.monotonic() + limit, 0
        while start < emails and time.monotonic() < deadline:
            end = min(start + 1000, emails)
            enqueue(range(start, end))
            start = end
        version = f"{importlib.metadata.version(package)} (Python {platform.python_version()})"
        print(json.dumps({"emails": start, "version": version}), flush=True)
    else:
        emails, concurrency, limit, mode = int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), sys.argv[5]
        threading.Thread(target=_report, args=(emails, limit), daemon=True).start()
        work(concurrency, mode)


def _report(emails, limit):
    deadline = time.monotonic() + limit
    while _handled[0] < emails and time.monotonic() < deadline:
        time.sleep(0.01)
    with _handled.get_lock():
        handled, first, last = _handled
    print(json.dumps({"emails": int(handled), "seconds": last - first}), flush=True)
    os._exit(0)
