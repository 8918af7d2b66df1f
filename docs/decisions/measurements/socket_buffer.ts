/**
 * What a WebSocket holds right after a burst to a client that reads, and a little later.
 * deno run -A docs/decisions/measurements/socket_buffer.ts
 */

const FRAMES = 300;
const ROUNDS = 20;
const frame = JSON.stringify({ event: "message", data: "x".repeat(270) });
const afterBurst: number[] = [];
const clearedMs: number[] = [];
const done = Promise.withResolvers<void>();

const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.onopen = async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const start = performance.now();
      for (let i = 0; i < FRAMES; i++) socket.send(frame);
      afterBurst.push(socket.bufferedAmount);
      while (socket.bufferedAmount > 0) await new Promise((resolve) => setTimeout(resolve, 1));
      clearedMs.push(performance.now() - start);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    socket.close();
    done.resolve();
  };
  return response;
});
const { port } = server.addr as Deno.NetAddr;
const client = new Worker(
  URL.createObjectURL(
    new Blob([`new WebSocket("ws://127.0.0.1:${port}").onmessage = () => {};`], {
      type: "text/javascript",
    }),
  ),
  { type: "module" },
);
await done.promise;
const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
await Deno.stdout.write(new TextEncoder().encode(
  `${FRAMES} frames of ${frame.length} bytes: ${median(afterBurst)} bytes buffered at once, ` +
    `none ${median(clearedMs).toFixed(1)} ms after the first (medians of ${ROUNDS})\n`,
));
client.terminate();
await server.shutdown();
