import asyncio
import json
import websockets

async def connect_to_stream():
    uri = "ws://localhost:8000/api/v1/stream?device_ids=0848086072"

    async with websockets.connect(uri) as websocket:
        print("✅ WebSocket conectado")

        async for message in websocket:
            data = json.loads(message)

            if data["event"] == "message":
                print(f"📡 Datos recibidos: {data['data']}")
            elif data["event"] == "ping":
                print("💓 Keep-alive")

asyncio.run(connect_to_stream())
