import { Hono } from "hono";
import { dashboardRoutes } from "../../routes/pages/assets.ts";
import { SimulatedFleet } from "./simulated_fleet.ts";

export interface PageServerOptions {
  readonly vehicles?: number;
  readonly messagesPerSecond?: number;
  /** If set, the API requires this token. */
  readonly token?: string;
  readonly mapTilesUrl?: string;
  readonly spreadDegrees?: number;
  readonly port?: number;
}

const TICK_MS = 50;

/** The real page with a simulated stream: only what the page needs of the contract. */
export class PageServer implements AsyncDisposable {
  readonly fleet: SimulatedFleet;
  readonly sockets = new Set<WebSocket>();
  readonly commands: { deviceId: string; body: unknown }[] = [];
  /** Refuses every WebSocket handshake. */
  refusesWebSockets = false;
  answersCommandsWith = 200;
  token: string | undefined;
  /** The last payload of each device that {@linkcode PageServer.send} was given, with its time. */
  readonly #last = new Map<string, { payload: unknown; at: number }>();
  #position = 0;
  #pending: string[] = [];
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(
    { vehicles = 25, messagesPerSecond = 10, token, mapTilesUrl, spreadDegrees, port = 0 }:
      PageServerOptions = {},
  ) {
    this.fleet = new SimulatedFleet(vehicles, { ...(spreadDegrees && { spreadDegrees }) });
    this.token = token;
    const app = new Hono()
      .use("/api/*", async (c, next) => {
        const given = c.req.header("authorization")?.replace("Bearer ", "") ??
          c.req.header("sec-websocket-protocol")?.replace("bearer.", "");
        if (this.token !== undefined && given !== this.token) {
          return c.json({ code: "unauthorized", detail: "No valid token" }, 401);
        }
        return await next();
      })
      .get("/api/v1/stream", (c) => this.#stream(c.req.raw))
      .get("/api/v1/devices", (c) => {
        const quiet = Date.now() - 2_000;
        const ids = new Set([...this.fleet.ids, ...this.#last.keys()]);
        const devices = [...ids].map((id, i) => ({
          device_id: id,
          last_seen: new Date(this.#last.get(id)?.at ?? quiet).toISOString(),
          state: i % 9 === 8 && messagesPerSecond === 0 ? "stale" : "online",
        }));
        return c.json({ devices, next: null });
      })
      .get("/api/v1/devices/:id/messages", (c) => {
        const messages = this.fleet.pastOf(c.req.param("id"));
        return c.json({ messages, next: null, status: "full" });
      })
      .post("/api/v1/devices/:id/commands", async (c) => {
        this.commands.push({ deviceId: c.req.param("id"), body: await c.req.json() });
        if (this.answersCommandsWith < 300) return c.json({}, this.answersCommandsWith as 200);
        return c.json({ code: "unavailable", detail: "The broker is away" }, 503);
      })
      .route("/", dashboardRoutes({ mapTilesUrl }));
    this.#server = Deno.serve({ port, hostname: "127.0.0.1", onListen() {} }, app.fetch);
    if (messagesPerSecond > 0) {
      const seconds = vehicles / messagesPerSecond;
      let owed = 0;
      this.#timer = setInterval(() => {
        for (owed += messagesPerSecond * TICK_MS / 1000; owed >= 1; owed--) {
          this.send(this.fleet.step(seconds).payload);
        }
        this.#flush();
      }, TICK_MS);
    }
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/`;
  }

  /** Sends a message to every page. */
  send(payload: unknown): void {
    const { device_id, empresa, data } = payload as Record<string, unknown>;
    const id = (data as { DEVICE_ID?: unknown } | undefined)?.DEVICE_ID ?? device_id ?? empresa;
    if (id !== undefined) this.#last.set(String(id), { payload, at: Date.now() });
    this.#pending.push(`{"data":${JSON.stringify(payload)},"id":"${++this.#position}"}`);
    if (this.#timer === undefined) this.#flush();
  }

  /** Sends an event to every page. */
  event(event: string, data: unknown): void {
    for (const socket of this.sockets) socket.send(JSON.stringify({ event, data }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    for (const socket of this.sockets) socket.close();
    await this.#server.shutdown();
  }

  /** The last known payload of every device. */
  #snapshot(): unknown[] {
    const last = new Map(this.fleet.all().map((payload, i) => [this.fleet.ids[i]!, payload]));
    for (const [id, { payload }] of this.#last) last.set(id, payload);
    return [...last.values()];
  }

  #flush(): void {
    if (this.#pending.length === 0) return;
    const frame = `{"event":"batch","data":[${this.#pending.join(",")}]}`;
    this.#pending = [];
    for (const socket of this.sockets) if (socket.readyState === WebSocket.OPEN) socket.send(frame);
  }

  #stream(request: Request): Response {
    const params = new URL(request.url).searchParams;
    if (request.headers.get("upgrade") !== "websocket") return this.#sse();
    if (this.refusesWebSockets) return new Response(null, { status: 400 });
    const protocol = request.headers.get("sec-websocket-protocol");
    const { socket, response } = Deno.upgradeWebSocket(request, protocol ? { protocol } : {});
    const send = (event: string, data: unknown, id?: string) =>
      socket.send(JSON.stringify({ event, data, id }));
    socket.onopen = () => {
      if (params.get("snapshot") === "1") {
        for (const payload of this.#snapshot()) send("snapshot", payload);
      }
      if (params.has("since")) {
        send("resumed", { status: "full", replayed: 0 }, String(this.#position));
      }
      this.sockets.add(socket);
    };
    socket.onmessage = ({ data }) => {
      if (JSON.parse(data).action === "ping") {
        send("ping", { type: "keep-alive" }, String(this.#position));
      }
    };
    socket.onclose = () => this.sockets.delete(socket);
    socket.onerror = () => this.sockets.delete(socket);
    return response;
  }

  #sse(): Response {
    const encoder = new TextEncoder();
    const body = new ReadableStream({
      start: (controller) => {
        controller.enqueue(
          encoder.encode(
            `retry: 3000\nid: ${this.#position}\nevent: ping\ndata: {"type":"keep-alive"}\n\n`,
          ),
        );
        for (const payload of this.#snapshot()) {
          controller.enqueue(
            encoder.encode(`event: snapshot\ndata: ${JSON.stringify(payload)}\n\n`),
          );
        }
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  }
}
