/** A publish that a real broker rejects does not affect the source of the same program. */

import assert from "node:assert/strict";
import { eventually } from "../kit/eventually.ts";
import { Mosquitto } from "../kit/servers/mosquitto.ts";
import { mosquittoPub } from "../kit/clients/mqtt_publisher.ts";
import { SseClient } from "../kit/clients/sse_client.ts";
import { Telecast } from "../kit/servers/telecast.ts";
import { TempDir } from "../kit/temp_dir.ts";

const SOURCE = "telecast-source";

/** Bad messages and the expected status of the answer; none with QoS 0, which has no ack. */
const BAD = [
  { what: "a topic that the ACL forbids", body: { topic: "secret/a", payload: 1 }, status: 503 },
  { what: "the same at QoS 0", body: { topic: "secret/a", payload: 1, qos: 0 } },
  { what: "message_size_limit", body: { topic: "a", payload: "x".repeat(5_000) }, status: 503 },
  { what: "max_packet_size", body: { topic: "a", payload: "x".repeat(50_000) }, status: 503 },
  { what: "the same at QoS 0", body: { topic: "a", payload: "x".repeat(50_000), qos: 0 } },
  { what: "a tab", body: { topic: "a\tb", payload: 1 }, status: 400 },
  { what: "U+FFFE", body: { topic: "a\ufffe", payload: 1 }, status: 400 },
  { what: "$SYS", body: { topic: "$SYS/broker/load", payload: 1 } },
];

Deno.test("publish: the source stays connected when Mosquitto refuses a message or disconnects for it", async () => {
  await using dir = await TempDir.create();
  const acl = await dir.write("acl", "topic readwrite #\ntopic deny secret/#\n");
  const extra = `acl_file ${acl}\nmessage_size_limit 4000\nmax_packet_size 20000`;
  await using mosquitto = await Mosquitto.start({ extra });
  const broker = mosquitto.process;
  {
    await using telecast = await Telecast.start({
      env: { BROKER_HOST: mosquitto.url, MQTT_CLIENT_ID: SOURCE, DENO_KV_URL: "memory:" },
    });
    await telecast.waitForSource();
    await using events = await SseClient.open(telecast.sseUrl());
    const publish = async (body: unknown) => {
      const init = { method: "POST", body: JSON.stringify(body) };
      const response = await fetch(`${telecast.url}/api/v1/publish`, init);
      await response.body?.cancel();
      return response.status;
    };
    let sent = 0;
    for (const { what, body, status } of BAD) {
      const answered = await publish(body);
      if (status !== undefined) assert.equal(answered, status, what);
      await mosquittoPub(mosquitto.port, "t", `{"device_id":"d${++sent}"}`);
      await events.waitForMessages(sent);
      // The next good message is published, over a new connection if the broker ended the last one.
      await eventually(
        `a publish after ${what}`,
        async () => await publish({ topic: "quiet", payload: "no JSON" }) === 200,
      );
    }
    const { sources } = await telecast.json("/api/v1/stats");
    assert.equal(sources[0].reconnects, 0);
  }
  // Mosquitto writes its log when it ends.
  await mosquitto.stop();
  const clients = broker.output.matchAll(/New client connected .* as (telecast-source\S*)/g);
  const ids = Array.from(clients, ([, id]) => id!);
  assert.equal(ids.filter((id) => id === SOURCE).length, 1, broker.output);
  assert.ok(ids.some((id) => /^telecast-source-pub-\w+$/.test(id)), broker.output);
});
