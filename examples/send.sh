#!/bin/sh
# Sends one email by curl and waits until it is sent. README.md says which variables it takes and how it ends.
set -eu

[ $# -eq 1 ] || { echo "usage: $0 RECIPIENT" >&2; exit 64; }
recipient=$1
url=${EMAIL_API_URL:-http://127.0.0.1:3000}
key=$(cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen)

# The answer's body, its status on a line of its own, and how many seconds to wait if it is to be asked again.
ask() {
  set -- --silent --max-time 60 --write-out '\n%{http_code} %header{retry-after}' "$@"
  if [ -n "${EMAIL_API_KEY:-}" ]; then set -- --header "Authorization: Bearer $EMAIL_API_KEY" "$@"; fi
  curl "$@" || true
}

# An address with a quote or a backslash would need more than this to be JSON.
case $recipient${EMAIL_FROM:-} in *[\"\\]*) echo "no quotes and backslashes, please" >&2; exit 64 ;; esac
from=
[ -z "${EMAIL_FROM:-}" ] || from="\"from\": \"$EMAIL_FROM\", "
email="{$from\"to\": \"$recipient\", \"subject\": \"Hello from curl\", \"message\": \"Hello\"}"

for attempt in 1 2 3 4 5; do
  answer=$(ask "$url/emails" --header 'Content-Type: application/json' --header "Idempotency-Key: $key" --data "$email")
  outcome=${answer##*
}
  status=${outcome%% *} wait=${outcome#* }
  case $status in
    200) break ;;
    # No answer, too many, or no Redis: the same again, and it is still one email.
    000 | 429 | 503) echo "answer $status; trying again" >&2; sleep "${wait:-1}" ;;
    *) echo "$answer" >&2; exit 1 ;;
  esac
done
[ "$status" = 200 ] || exit 2

id=$(printf '%s' "$answer" | sed -n 's/.*"id":"\([^"]*\)".*/\1/p')
echo "accepted as $id"
for second in $(seq 60); do
  event=$(ask "$url/emails/$id" | sed -n 's/.*"last_event":"\([^"]*\)".*/\1/p')
  case $event in
    sent) echo "sent"; exit 0 ;;
    failed | canceled) echo "$event" >&2; exit 1 ;;
  esac
  sleep 1
done
echo "not sent yet; it stays in the queue" >&2
exit 2
