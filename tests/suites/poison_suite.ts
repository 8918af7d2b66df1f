/** What happens to a message that fails while others pass, on every store of the queue. */

import assert from "node:assert/strict";
import { alarmHandler, PROCESS } from "../../broker/deliveries/alarm_handler.ts";
import { Backend } from "../../broker/deliveries/backend.ts";
import { DeliveryQueue, type DeliveryQueueOptions } from "../../broker/deliveries/queue.ts";
import type { KvClient } from "../../broker/store/kv_client.ts";
import { deliveryKey } from "../../broker/store/kv_keys.ts";
import { encodeJson } from "../../broker/store/stored_json.ts";
import { BackendServer, type Behaviour } from "../kit/servers/backend.ts";
import { eventually } from "../kit/eventually.ts";
import type { DeliveryKit } from "./delivery_suite.ts";

export interface PanelOptions extends Partial<DeliveryQueueOptions> {
  /** How long the backend may take to answer. */
  readonly timeoutMs?: number;
}

/** Alarms of companies that are sent to a real backend; times are a fraction of the defaults. */
class Panels implements AsyncDisposable {
  readonly away: boolean[] = [];
  readonly queue: DeliveryQueue;
  #offset = 0;

  constructor(
    private readonly kv: KvClient,
    readonly backend: BackendServer,
    { timeoutMs = 10_000, ...options }: PanelOptions,
  ) {
    this.queue = new DeliveryQueue(kv, {
      instance: crypto.randomUUID(),
      handler: alarmHandler({
        backend: new Backend({
          url: backend.url,
          timeoutMs,
          restMs: 50,
          onAway: (away) => this.away.push(away),
        }),
        whatsapp: undefined,
        recipients: {},
      }),
      pollMs: 20,
      retry: { baseMs: 5, maxMs: 20 },
      maxAttempts: 6,
      heldUpMs: 100,
      silentMs: 400,
      ...options,
    });
    this.queue.start();
  }

  async send(company: string, ...names: readonly string[]): Promise<void> {
    for (const name of names) {
      const message = { tipo_mensaje: "semaforos", tipo_alarma: name, empresa: company };
      const value = encodeJson({
        kind: PROCESS,
        time: Date.now(),
        data: { message, company, notifies: false },
      });
      const key = deliveryKey(company, ++this.#offset);
      await this.kv.commit({ checks: [], sets: [{ key, value }] });
    }
    this.queue.notify();
  }

  /** Alarms that the backend took, in order, each once: after a late answer a call is repeated. */
  done(company?: string): string[] {
    const calls = new Map(this.backend.done.map((call) => [call.key, call]));
    return [...calls.values()].filter(({ body }) => !company || body.empresa === company)
      .map(({ body }) => body.tipo_alarma);
  }

  /** Sends an alarm of another company again and again until it is disposed of. */
  traffic(company: string): AsyncDisposable {
    let stopped = false;
    const run = async () => {
      for (let n = 0; !stopped; n++) {
        await this.send(company, `${company} ${n}`);
        await eventually("the backend takes it", () => stopped || this.done(company).length > n);
      }
    };
    const running = run();
    return {
      async [Symbol.asyncDispose]() {
        stopped = true;
        await running;
      },
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.queue[Symbol.asyncDispose]();
  }
}

/** Enough for a good answer on a busy machine. */
const STALL_MS = 1_000;

const isPoison = (name: string) => name.startsWith("poison");

/** `stalls`: also with a backend that does not answer, which takes longer. */
export function poisonSuite(
  name: string,
  kit: () => Promise<DeliveryKit>,
  { stalls = false }: { readonly stalls?: boolean } = {},
): void {
  async function world(options: PanelOptions = {}) {
    const stack = new AsyncDisposableStack();
    const backend = stack.use(await BackendServer.start());
    const panels = stack.use(new Panels(stack.use(await kit()).client(), backend, options));
    return { backend, panels, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  }

  const answers: readonly Behaviour[] = [502, 503, "reset", ...(stalls ? ["stall" as const] : [])];
  for (const answer of answers) {
    Deno.test(`${name}: a message that fails (${answer}) while others pass becomes a dead letter after its attempts, and its partition continues`, async () => {
      await using all = await world(answer === "stall" ? { timeoutMs: STALL_MS } : {});
      const { backend, panels } = all;
      backend.behave = ({ body }) => isPoison(body.tipo_alarma) ? answer : 200;
      await using _others = panels.traffic("funza");
      await panels.send("cota", "poison", "after");
      await eventually("the partition continues", () => panels.done("cota").length === 1);
      const [dead] = await eventually("it is listed", async () => {
        const list = await panels.queue.list("dead");
        return list.length === 1 && list;
      });
      assert.ok(dead!.attempts >= 3, `${dead!.attempts} attempts`);
      assert.match(dead!.reason!, /^the backend/);
      assert.deepEqual(panels.away, [], "one message says nothing about the backend");
    });
  }

  Deno.test(`${name}: a message that fails blocks its partition only for a while, even if no other partition has jobs`, async () => {
    await using all = await world();
    const { backend, panels } = all;
    backend.behave = ({ body }) => isPoison(body.tipo_alarma) ? 502 : 200;
    const good = Array.from({ length: 12 }, (_, n) => `${n}`);
    await panels.send("cota", "poison", ...good);
    await eventually("the others are done", () => panels.done().length === good.length);
    assert.deepEqual(panels.done(), good);
    await eventually("it is dead", async () => (await panels.queue.list("dead")).length === 1);
    assert.deepEqual(panels.away, []);
  });

  Deno.test(`${name}: messages that fail in several partitions block no partition, and open no circuit`, async () => {
    await using all = await world();
    const { backend, panels } = all;
    backend.behave = ({ body }) => isPoison(body.tipo_alarma) ? 502 : 200;
    const companies = ["cota", "funza"];
    const good = Array.from({ length: 8 }, (_, n) => `${n}`);
    for (const company of companies) await panels.send(company, "poison", ...good);
    for (const company of companies) {
      await eventually("they are done", () => panels.done(company).length === good.length);
      assert.deepEqual(panels.done(company), good);
    }
    await eventually("both are dead", async () => (await panels.queue.list("dead")).length === 2);
    assert.deepEqual(panels.away, []);
    await panels.send("madrid", "at once");
    await eventually("another company's alarm is done", () => panels.done("madrid").length === 1);
  });

  Deno.test(`${name}: the partitions continue even if the first message of each fails`, async () => {
    await using all = await world();
    const { backend, panels } = all;
    backend.behave = ({ body }) => isPoison(body.tipo_alarma) ? 502 : 200;
    const companies = Array.from({ length: 8 }, (_, n) => `company ${n}`);
    for (const company of companies) await panels.send(company, "poison", "1", "2", "3");
    for (const company of companies) {
      await eventually("they are done", () => panels.done(company).length === 3);
      assert.deepEqual(panels.done(company), ["1", "2", "3"]);
    }
  });

  for (const answer of answers.filter((answer) => answer !== 503)) {
    Deno.test(`${name}: an unavailable backend (${answer}) costs no message its attempts, and all arrive in order`, async () => {
      const timeoutMs = answer === "stall" ? STALL_MS : 10_000;
      await using all = await world({ timeoutMs, silentMs: 60_000 });
      const { backend, panels } = all;
      const companies = ["cota", "funza", "madrid", "tocancipa"];
      // Each partition recovers with a call for its first message, because nothing may overtake
      // that.
      const back = new Set<string>();
      backend.behave = ({ body }) => {
        if (backend.calls.length > 16 && body.tipo_alarma === "0") back.add(body.empresa);
        return back.has(body.empresa) ? 200 : answer;
      };
      const numbers = Array.from({ length: 6 }, (_, n) => `${n}`);
      for (const company of companies) await panels.send(company, ...numbers);
      await eventually("the outage is reported", () => panels.away.length > 0);
      await eventually("it is back, and all are done", () => panels.done().length === 24, {
        timeoutMs: 60_000,
      });
      for (const company of companies) assert.deepEqual(panels.done(company), numbers);
      assert.deepEqual(panels.away, [true, false], "one outage");
      assert.deepEqual(await panels.queue.list("dead"), []);
    });
  }

  Deno.test(`${name}: an unavailable backend costs messages of a single partition at most half of their attempts`, async () => {
    await using all = await world();
    const { backend, panels } = all;
    let away = true;
    backend.behave = ({ body }) => {
      if (away && body.tipo_alarma === "0" && backend.calls.length > 60) away = false;
      return away ? 502 : 200;
    };
    await panels.send("cota", "0", "1", "2");
    let most = 0;
    await eventually("it is back, and all are done", async () => {
      for (const { attempts } of await panels.queue.list("waiting")) {
        most = Math.max(most, attempts);
      }
      return panels.done().length === 3;
    });
    assert.deepEqual(panels.done(), ["0", "1", "2"]);
    assert.deepEqual(await panels.queue.list("dead"), []);
    assert.ok(most <= 3, `${most} of 6 attempts`);
  });
}
