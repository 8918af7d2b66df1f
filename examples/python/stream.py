"""Prints the messages of devices and misses none if the connection is lost.

    pip install websockets
    python stream.py ws://127.0.0.1:8000 0848086072,0848086073
"""

import asyncio
import json
import random
import sys
from urllib.parse import urlencode

import websockets


async def messages(server, device_ids):
    """Yields each payload. Ends only if the server refuses the parameters."""
    cursor = None
    wait = 0.5
    while True:
        query = {"device_ids": device_ids}
        if cursor:
            query["since"] = cursor
        again = None
        try:
            async with websockets.connect(f"{server}/api/v1/stream?{urlencode(query)}") as stream:
                async for frame in stream:
                    wait = 0.5
                    message = json.loads(frame)
                    event, data = message["event"], message["data"]
                    if event == "message":
                        yield data
                    elif event == "resumed" and data["status"] != "full":
                        print(f"some missed messages are gone: {data}", file=sys.stderr)
                    elif event == "goodbye":
                        again = data["reconnect_ms"] / 1000
                    elif event == "error":
                        raise SystemExit(f"{data['code']}: {data['message']}")
                    # Set last, so that an unhandled message is requested again.
                    cursor = message.get("id", cursor)
        except (OSError, websockets.WebSocketException) as error:
            print(f"reconnecting: {error}", file=sys.stderr)
        await asyncio.sleep(wait * (0.5 + random.random()) if again is None else again)
        wait = min(wait * 2, 30)


async def main():
    server = sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8000"
    device_ids = sys.argv[2] if len(sys.argv) > 2 else "0848086072"
    async for payload in messages(server, device_ids):
        print(json.dumps(payload, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
