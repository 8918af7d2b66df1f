/** A stream whose own code throws ends, and the server and the other streams continue. */

import assert from "node:assert/strict";
import { eventually } from "../../kit/eventually.ts";
import { everyServer, numbersOf, onBoth } from "../rig.ts";

onBoth(
  "a stream whose writes throw ends with goodbye, and the others get every message",
  async (transport, start) => {
    await using rig = await start();
    await using broken = await rig.open(transport, "device_ids=A");
    const [session] = rig.hub.sessions;
    await using good = await rig.open(transport, "device_ids=A");
    session!.sink.write = () => {
      throw new TypeError("failed on purpose");
    };
    rig.publish("A", 1);
    rig.publish("A", 2);
    await good.waitForMessages(2);
    assert.deepEqual(numbersOf(good.payloads), [1, 2]);
    const { data } = await broken.waitForEvent("goodbye");
    assert.equal(JSON.parse(data).reason, "error");
    await eventually("the stream is gone", () => rig.hub.sessions.size === 1);
    assert.deepEqual(broken.payloads, []);
  },
);

for (
  const [what, command] of [
    ["an error", "no JSON"],
    ["an answer to ping", JSON.stringify({ action: "ping" })],
    ["an answer to subscribe", JSON.stringify({ action: "subscribe", device_ids: ["B"] })],
  ] as const
) {
  everyServer.test(`ws: a stream that cannot write ${what} ends with 1011, and no other ends`, async ({ start }) => {
    await using rig = await start();
    await using broken = await rig.ws("device_ids=A");
    const [session] = rig.hub.sessions;
    await using good = await rig.ws("device_ids=A");
    session!.sink.event = () => {
      throw new TypeError("failed on purpose");
    };
    broken.send(command);
    assert.equal((await broken.waitForClose()).code, 1011);
    rig.publish("A", 1);
    await good.waitForMessages(1);
    assert.equal(rig.hub.sessions.size, 1);
  });
}
