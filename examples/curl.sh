#!/usr/bin/env bash
# Telecast with curl: bash curl.sh [server] [device id] [token]
set -euo pipefail

server="${1:-http://127.0.0.1:8000}"
device="${2:-0848086072}"
token=(${3:+-H "Authorization: Bearer $3"})
ask() { curl -sS --fail-with-body "${token[@]}" "$@"; }

echo "# The last message of the device"
ask "$server/api/v1/devices/$device"
echo

echo "# Stream statistics"
ask "$server/api/v1/stream/stats"
echo

echo "# Two seconds of the stream, with the last message first"
stream="$(ask -N --max-time 2 "$server/api/v1/stream?device_ids=$device&snapshot=1" 2>/dev/null || true)"
echo "$stream"
cursor="$(grep '^id: ' <<<"$stream" | tail -n 1 | cut -d ' ' -f 2)"

echo "# Publish a message as the device while no client is connected"
ask -X POST "$server/api/v1/publish" --data \
  "{\"topic\":\"example/$device\",\"payload\":{\"data\":{\"DEVICE_ID\":\"$device\",\"NOTE\":\"from curl\"}}}"
echo

echo "# Resume from $cursor: the missed messages, and whether they are complete"
ask -N --max-time 2 "$server/api/v1/stream?device_ids=$device&since=$cursor" 2>/dev/null || true
