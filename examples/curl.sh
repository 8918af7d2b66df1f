#!/usr/bin/env bash
# What curl can do with Telecast: bash curl.sh [server] [device id] [token]
set -euo pipefail

server="${1:-http://127.0.0.1:8000}"
device="${2:-0848086072}"
token=(${3:+-H "Authorization: Bearer $3"})
ask() { curl -sS --fail-with-body "${token[@]}" "$@"; }

echo "# The last message of the device"
ask "$server/api/v1/devices/$device"
echo

echo "# What the stream is like now"
ask "$server/api/v1/stream/stats"
echo

echo "# Two seconds of the stream, with the last message first"
stream="$(ask -N --max-time 2 "$server/api/v1/stream?device_ids=$device&snapshot=1" 2>/dev/null || true)"
echo "$stream"
cursor="$(grep '^id: ' <<<"$stream" | tail -n 1 | cut -d ' ' -f 2)"

echo "# Publishing a message of the device while nobody listens"
ask -X POST "$server/api/v1/publish" --data \
  "{\"topic\":\"example/$device\",\"payload\":{\"data\":{\"DEVICE_ID\":\"$device\",\"NOTE\":\"from curl\"}}}"
echo

echo "# Resuming from $cursor: what was missed, and whether that is all"
ask -N --max-time 2 "$server/api/v1/stream?device_ids=$device&since=$cursor" 2>/dev/null || true
