/**
 * The bench's upper limit: MQTT in, sockets out, and nothing else that a service needs. It has no
 * checks, store, cursors, queues or limits; a client that reads too slowly fills the memory.
 *
 *     deno run -A tests/bench/raw_sender.ts <port> <broker url>
 */

import mqtt from "mqtt";

const [port, brokerUrl] = Deno.args;
const encoder = new TextEncoder();
const DEVICE = /"DEVICE_ID":"([^"]*)"/;

interface Device {
  readonly sockets: Set<WebSocket>;
  readonly streams: Set<ReadableStreamDefaultController<Uint8Array>>;
}

const devices = new Map<string, Device>();

function watch(ids: readonly string[], add: (device: Device) => void): void {
  for (const id of ids) {
    const device = devices.get(id) ?? { sockets: new Set(), streams: new Set() };
    devices.set(id, device);
    add(device);
  }
}

const client = mqtt.connect(brokerUrl!);
client.on("message", (_topic, payload) => {
  const text = payload.toString();
  const device = devices.get(DEVICE.exec(text)?.[1] ?? "");
  if (!device) return;
  if (device.sockets.size > 0) {
    const frame = `{"event":"message","data":${text}}`;
    for (const socket of device.sockets) socket.send(frame);
  }
  if (device.streams.size > 0) {
    const event = encoder.encode(`event: message\ndata: ${text}\n\n`);
    for (const stream of device.streams) stream.enqueue(event);
  }
});
await client.subscribeAsync("bench/#", { qos: 0 });

Deno.serve({ hostname: "127.0.0.1", port: Number(port), onListen() {} }, (request) => {
  const ids = new URL(request.url).searchParams.get("device_ids")?.split(",") ?? [];
  if (request.headers.get("upgrade") === "websocket") {
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onopen = () => watch(ids, ({ sockets }) => sockets.add(socket));
    socket.onclose = () => ids.forEach((id) => devices.get(id)?.sockets.delete(socket));
    return response;
  }
  let own: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      own = controller;
      watch(ids, ({ streams }) => streams.add(own));
    },
    cancel: () => ids.forEach((id) => devices.get(id)?.streams.delete(own)),
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
});
