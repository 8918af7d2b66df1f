import assert from "node:assert/strict";
import {
  type OpenSocket,
  OpenSockets,
  type OpenSocketsOptions,
} from "../../../server/guard/open_sockets.ts";

/** Sockets by name; those closed, in order, and the number refused. */
function crowd(options: Partial<OpenSocketsOptions>) {
  const closed: string[] = [];
  let refused = 0;
  const sockets = new OpenSockets({ max: 100, ...options, onRefused: () => refused++ });
  return {
    sockets,
    closed,
    refused: () => refused,
    enter: (name: string, address = "a") => sockets.enter(address, () => closed.push(name)),
    known: (name: string, address = "a"): OpenSocket =>
      sockets.enter(address, () => closed.push(name))!,
  };
}

Deno.test("OpenSockets closes the socket that has waited longest for a request, never a working one", () => {
  const { known, enter, closed, refused, sockets } = crowd({ max: 3 });
  const [first, second, third] = [known("first"), known("second"), known("third")];
  first.work();
  // It waits again, so it has waited for the shortest time.
  second.work();
  second.wait();
  const fourth = known("fourth");
  assert.deepEqual(closed, ["third"]);
  const fifth = known("fifth");
  assert.deepEqual(closed, ["third", "second"]);
  for (const socket of [fourth, fifth]) socket.work();
  assert.equal(enter("sixth"), undefined);
  assert.equal(refused(), 3);
  // A closed socket leaves only once, and makes room for one.
  third.leave();
  second.leave();
  assert.equal(sockets.size, 3);
  first.leave();
  assert.ok(enter("seventh"));
});

Deno.test("OpenSockets enforces the limit of an address without closing sockets of others", () => {
  const { known, enter, closed } = crowd({ maxPerAddress: 2 });
  known("other", "b");
  const busy = known("busy");
  busy.work();
  known("idle");
  const next = known("next");
  assert.deepEqual(closed, ["idle"]);
  next.work();
  assert.equal(enter("none"), undefined);
  assert.ok(enter("second", "b"));
  busy.leave();
  assert.ok(enter("again"));
});

Deno.test("OpenSockets limits the memory of incomplete requests and closes the oldest first", () => {
  const { known, closed, refused } = crowd({ maxHeldBytes: 100 });
  const [small, large, working, last] = ["small", "large", "working", "last"].map((name) =>
    known(name)
  ) as [OpenSocket, OpenSocket, OpenSocket, OpenSocket];
  working.hold(40);
  working.work();
  large.hold(50);
  large.hold(60);
  assert.deepEqual(closed, []);
  last.hold(10);
  assert.deepEqual(closed, ["large"]);
  // If the others work or hold nothing, the one that asks for more is closed.
  last.hold(61);
  assert.deepEqual(closed, ["large", "last"]);
  assert.equal(refused(), 2);
  working.wait();
  small.hold(100);
  assert.deepEqual(closed, ["large", "last"]);
});
