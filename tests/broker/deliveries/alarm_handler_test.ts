import assert from "node:assert/strict";
import {
  alarmHandler,
  type NotifyStep,
  PROCESS,
} from "../../../broker/deliveries/alarm_handler.ts";
import { Backend } from "../../../broker/deliveries/backend.ts";
import { DeliveryError, type NextStep } from "../../../broker/deliveries/delivery.ts";
import { WhatsApp } from "../../../broker/deliveries/whatsapp.ts";

interface Call {
  readonly path: string;
  readonly key: string | null;
  readonly authorization: string | null;
  // deno-lint-ignore no-explicit-any -- bodies of two services
  readonly body: any;
}

/** A real HTTP server that acts as the backend and as WhatsApp. */
function service(answer: (call: Call, count: number) => Response | Promise<Response>) {
  const calls: Call[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const call = {
      path: new URL(request.url).pathname + new URL(request.url).search,
      key: request.headers.get("idempotency-key"),
      authorization: request.headers.get("authorization"),
      body: request.method === "POST" ? await request.json() : undefined,
    };
    calls.push(call);
    return await answer(call, calls.length);
  });
  const url = `http://127.0.0.1:${server.addr.port}`;
  return { url, calls, [Symbol.asyncDispose]: () => server.shutdown() };
}

const MESSAGE = { tipo_mensaje: "semaforos", tipo_alarma: "AZUL", empresa: "cota" };
const never = new AbortController().signal;

function handlerOf(url: string, recipients: Record<string, string[]> = {}, timeoutMs = 2_000) {
  return alarmHandler({
    backend: new Backend({ url, timeoutMs }),
    whatsapp: new WhatsApp({ url: `${url}/v20.0/1`, token: "secret-token", timeoutMs }),
    recipients,
  });
}

function delivery(step: NextStep, attempts = 0) {
  return { id: "1.Y290YQ", partition: "cota", attempts, ...step };
}

const first = (notifies = true) => ({
  kind: PROCESS,
  data: { message: MESSAGE, company: "cota", notifies },
});

async function failure(promise: Promise<unknown>): Promise<DeliveryError> {
  const error = await promise.then(() => undefined, (error) => error);
  assert.ok(error instanceof DeliveryError, `a DeliveryError, not ${error}`);
  return error;
}

Deno.test("alarmHandler() sends the message to the backend, then notifies the recipients it names", async () => {
  await using world = service(({ path }) =>
    path === "/api/mqtt-alerts/process"
      ? Response.json({ recipients: ["573001112233", "+573004445566"] })
      : Response.json({})
  );
  const handler = handlerOf(world.url, { "*": ["573009999999"] });
  let step: NextStep | undefined = first();
  while (step) step = await handler(delivery(step), never);
  const [process, ...sent] = world.calls;
  assert.deepEqual([process?.body, process?.key], [MESSAGE, "1.Y290YQ"]);
  assert.deepEqual(sent.map(({ body }) => body.to), ["573001112233", "573004445566"]);
  assert.equal(sent[0]?.authorization, "Bearer secret-token");
  assert.deepEqual(sent[0]?.body.text, { body: "Alarma AZUL\nEmpresa: cota" });
});

Deno.test("alarmHandler() leaves out empty fields", async () => {
  await using world = service(() => Response.json({}));
  for (const empresa of [null, "", " "]) {
    const message = { tipo_mensaje: "alarmas", tipo_alarma: "ROJA", descripcion: "Falla", empresa };
    const step = { kind: PROCESS, data: { message, notifies: true } };
    const next = await handlerOf(world.url, { "*": ["573009999999"] })(delivery(step), never);
    assert.equal((next?.data as NotifyStep).text, "Alarma ROJA\nFalla");
  }
});

/** The text that people get for a message. */
async function told(message: Record<string, unknown>): Promise<string> {
  await using world = service(() => Response.json({}));
  const handler = handlerOf(world.url, { "*": ["573009999999"] });
  let step: NextStep | undefined = { kind: PROCESS, data: { message, notifies: true } };
  while (step) step = await handler(delivery(step), never);
  return world.calls.at(-1)!.body.text.body;
}

Deno.test("alarmHandler() writes its own lines, whatever a device sends", async () => {
  const breaks = ["\n", "\r\n", "\r", "\u2028", "\u2029", "\u0085", "\v", "\f", "\n \n\t", "\0"];
  for (const between of breaks) {
    const forged = `ROJA${between}Empresa: otra`;
    const text = await told({ tipo_alarma: forged, empresa: "cota", descripcion: forged });
    assert.deepEqual(text.split("\n"), [
      "Alarma ROJA Empresa: otra",
      "Empresa: cota",
      "ROJA Empresa: otra",
    ]);
    assert.doesNotMatch(text.replaceAll("\n", ""), /[\p{Cc}\p{Zl}\p{Zp}]/u);
  }
  for (
    const descripcion of ["Empresa: otra", " empresa : otra", "Ｅmpresa: otra", "ALARMA falsa"]
  ) {
    const [, line, ...more] = (await told({ tipo_alarma: "ROJA", descripcion })).split("\n");
    assert.match(line!, /^Descripción: /, descripcion);
    assert.deepEqual(more, []);
  }
  assert.equal(
    await told({ tipo_alarma: "\u202eROJA\u2066", descripcion: "a      b" }),
    "Alarma ROJA\na b",
  );
});

Deno.test("alarmHandler() shows the company however long other fields are, and cuts texts that WhatsApp would refuse", async () => {
  const long = "x".repeat(4_096);
  const text = await told({ tipo_alarma: long, empresa: "cota", descripcion: long });
  assert.equal(text.length, 4_096);
  const [alarm, company, description] = text.split("\n");
  assert.equal(alarm, `Alarma ${"x".repeat(199)}…`);
  assert.equal(company, "Empresa: cota");
  assert.match(description!, /^x{3000,}…$/);
});

Deno.test("alarmHandler() leaves out fields that are neither text nor number, and does not fail", async () => {
  const message = { tipo_alarma: { toString: 1 }, empresa: ["x"], descripcion: 7 };
  assert.equal(await told(message), "Alarma\n7");
});

Deno.test("alarmHandler() uses WHATSAPP_RECIPIENTS if the backend names nobody", async () => {
  await using world = service(() => Response.json({}));
  const people = async (recipients: Record<string, string[]>) => {
    const step = await handlerOf(world.url, recipients)(delivery(first()), never);
    return (step?.data as NotifyStep | undefined)?.recipients;
  };
  assert.deepEqual(await people({ cota: ["1"], "*": ["2"] }), ["1"]);
  assert.deepEqual(await people({ "*": ["2", "2"] }), ["2"]);
  assert.equal(await people({ funza: ["3"] }), undefined);
  for (const company of ["constructor", "__proto__", "toString", "hasOwnProperty"]) {
    const step = { kind: PROCESS, data: { message: MESSAGE, company, notifies: true } };
    const cases: [Record<string, string[]>, string][] = [
      [{ "*": ["2"] }, "2"],
      [Object.fromEntries([[company, ["4"]], ["*", ["2"]]]), "4"],
    ];
    for (const [recipients, expected] of cases) {
      const next = await handlerOf(world.url, recipients)(delivery(step), never);
      assert.deepEqual((next?.data as NotifyStep).recipients, [expected], company);
    }
  }
  assert.equal(
    await handlerOf(world.url, { "*": ["2"] })(delivery(first(false)), never),
    undefined,
  );
});

for (
  const [status, permanent] of [[500, false], [503, false], [429, false], [400, true], [404, true]]
) {
  Deno.test(`a backend that answers ${status} ${permanent ? "ends" : "does not end"} the work`, async () => {
    await using world = service(() =>
      new Response("no", { status: status as number, headers: { "retry-after": "7" } })
    );
    const error = await failure(handlerOf(world.url)(delivery(first()), never));
    assert.deepEqual([error.permanent, error.retryAfterMs], [permanent, 7000]);
    assert.equal(error.message, `the backend answered ${status}`);
  });
}

Deno.test("a backend that stalls or is gone is a temporary error, which contains no address", async () => {
  await using stalled = service(() =>
    new Promise((resolve) => setTimeout(resolve, 300, new Response()))
  );
  const slow = await failure(handlerOf(stalled.url, {}, 50)(delivery(first()), never));
  assert.match(slow.message, /did not answer within 50 ms/);
  const gone = await failure(handlerOf("http://127.0.0.1:9")(delivery(first()), never));
  assert.deepEqual([gone.message, gone.permanent], ["the backend cannot be reached", false]);
});

Deno.test("one number that WhatsApp refuses does not keep the others from being notified", async () => {
  await using world = service(({ body }) =>
    body.to === "1" ? new Response("no", { status: 400 }) : Response.json({})
  );
  const handler = handlerOf(world.url);
  let step: NextStep | undefined = {
    kind: "notify",
    data: { text: "x", recipients: ["1", "2", "3"] },
  };
  const run = async () => {
    while (step) step = await handler(delivery(step), never);
  };
  const error = await failure(run());
  assert.deepEqual(world.calls.map(({ body }) => body.to), ["1", "2", "3"]);
  assert.ok(error.permanent);
  assert.equal(error.message, "could not notify 1 recipient(s): WhatsApp answered 400");
});

Deno.test("a number that always fails is tried after the others", async () => {
  await using world = service(({ body }) =>
    body.to === "1" ? new Response("no", { status: 500 }) : Response.json({})
  );
  const handler = handlerOf(world.url);
  let data: unknown = { text: "x", recipients: ["1", "2", "3"] };
  for (let n = 0; n < 8; n++) {
    try {
      const step = await handler(delivery({ kind: "notify", data }), never);
      data = step?.data;
    } catch (error) {
      assert.ok(error instanceof DeliveryError && error.next);
      data = error.next.data;
    }
  }
  assert.deepEqual(world.calls.slice(0, 4).map(({ body }) => body.to), ["1", "2", "3", "1"]);
  assert.deepEqual((data as NotifyStep).recipients, ["1"]);
});
