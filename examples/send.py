"""Hands in one email from Python, by nothing but its standard library, and waits until it is sent. README.md says which
variables it takes and how it ends."""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid

URL = os.environ.get("EMAIL_API_URL", "http://127.0.0.1:3000")


def main() -> int:
    if len(sys.argv) != 2:
        print(f"usage: {sys.argv[0]} RECIPIENT", file=sys.stderr)
        return 64
    email = {"to": sys.argv[1], "subject": "Hello from Python", "message": "Hello"}
    if sender := os.environ.get("EMAIL_FROM"):
        email["from"] = sender
    # Made up once and sent each time: it is one email, however often it is posted.
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
    for _ in range(5):
        status, retry_after, answer = ask("/emails", json.dumps(email).encode(), headers)
        if status == 200:
            print(f"accepted as {answer['id']}")
            return until_sent(answer["id"])
        # No answer, too many, or no Redis: the same again.
        if status not in (None, 429, 503):
            print(answer, file=sys.stderr)
            return 1
        print(f"{status or 'no answer'}; trying again", file=sys.stderr)
        time.sleep(retry_after)
    return 2


def until_sent(email_id: str) -> int:
    for _ in range(60):
        _, _, email = ask(f"/emails/{email_id}")
        if email.get("last_event") == "sent":
            print("sent")
            return 0
        if email.get("last_event") in ("failed", "canceled"):
            print(email, file=sys.stderr)
            return 1
        time.sleep(1)
    print("not sent yet; it stays in the queue", file=sys.stderr)
    return 2


def ask(path: str, body: "bytes | None" = None, headers: "dict[str, str]" = {}) -> "tuple[int | None, int, dict]":
    """The status, how many seconds to wait before asking again, and the answer. No status when there is no answer."""
    request = urllib.request.Request(URL + path, body, headers)
    if key := os.environ.get("EMAIL_API_KEY"):
        request.add_header("Authorization", f"Bearer {key}")
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, 1, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, int(error.headers.get("Retry-After", 1)), json.load(error)
    except OSError:
        return None, 1, {}


if __name__ == "__main__":
    sys.exit(main())
