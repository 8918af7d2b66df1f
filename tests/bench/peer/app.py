"""The bench's peer: the same stream as a typical Python service, on one uvicorn worker.

MQTT runs in its own thread, each subscriber has a queue, and JSON is parsed once and serialized for
each client. There is no store and no resume: it does less per message than Telecast.
"""

import asyncio
import contextlib
import json
import os

import paho.mqtt.client as mqtt
from fastapi import FastAPI, WebSocket
from fastapi.responses import StreamingResponse

QUEUE_PER_DEVICE = 100


class Subscriber:
    def __init__(self, device_ids: list[str]):
        self.device_ids = device_ids
        self.queue: asyncio.Queue = asyncio.Queue(QUEUE_PER_DEVICE * len(device_ids))


subscribers: dict[str, list[Subscriber]] = {}


@contextlib.contextmanager
def subscribed(text: str):
    subscriber = Subscriber([device_id.strip() for device_id in text.split(",")])
    for device_id in subscriber.device_ids:
        subscribers.setdefault(device_id, []).append(subscriber)
    try:
        yield subscriber
    finally:
        for device_id in subscriber.device_ids:
            subscribers[device_id].remove(subscriber)


def deliver(payload: bytes):
    try:
        message = json.loads(payload)
        interested = subscribers.get(message["data"]["DEVICE_ID"], ())
    except (ValueError, KeyError, TypeError):
        return
    for subscriber in interested:
        with contextlib.suppress(asyncio.QueueFull):
            subscriber.queue.put_nowait(message)


@contextlib.asynccontextmanager
async def lifespan(_: FastAPI):
    loop = asyncio.get_running_loop()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.on_connect = lambda client, *_: client.subscribe("bench/#")
    client.on_message = lambda _client, _userdata, message: loop.call_soon_threadsafe(
        deliver, message.payload
    )
    client.connect("127.0.0.1", int(os.environ["BROKER_PORT"]))
    client.loop_start()
    yield
    client.loop_stop()


app = FastAPI(lifespan=lifespan)


@app.get("/readyz")
async def ready():
    return {"status": "ok"}


@app.websocket("/api/v1/stream")
async def stream_over_websocket(socket: WebSocket, device_ids: str):
    await socket.accept()

    async def send(subscriber: Subscriber):
        while True:
            await socket.send_json({"event": "message", "data": await subscriber.queue.get()})

    with subscribed(device_ids) as subscriber:
        sending = asyncio.create_task(send(subscriber))
        try:
            async for _ in socket.iter_text():
                pass
        finally:
            sending.cancel()


@app.get("/api/v1/stream")
async def stream_over_sse(device_ids: str):
    async def events():
        with subscribed(device_ids) as subscriber:
            while True:
                message = await subscriber.queue.get()
                yield f"event: message\ndata: {json.dumps(message)}\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")
