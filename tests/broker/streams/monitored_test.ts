import assert from "node:assert/strict";
import { Interest } from "../../../broker/messages/interest.ts";
import { MessageLog } from "../../../broker/log/message_log.ts";
import { MonitoredDevices } from "../../../broker/streams/monitored.ts";
import { Subscribers } from "../../../broker/streams/subscribers.ts";
import { StartScheduler } from "../../../broker/streams/start_scheduler.ts";
import { publication } from "../publications.ts";

function monitored(deviceCount: number) {
  const log = new MessageLog({ maxBytes: 1000 });
  const subscribers = new Subscribers<string>();
  const startScheduler = new StartScheduler();
  const goOn: (() => void)[] = [];
  startScheduler.pass = () => new Promise((resolve) => goOn.push(resolve));
  const know = (deviceId: string) => log.append(publication(log.position + 1, deviceId));
  for (let i = 0; i < deviceCount; i++) know(`d${i}`);
  const devices = new MonitoredDevices(subscribers, { log, startScheduler });
  const add = (who: string, ...ids: string[]) => subscribers.add(who, Interest.parse(ids, 100));
  return { devices, subscribers, know, add, goOn };
}

Deno.test("MonitoredDevices counts named devices and known devices that match, each once", () => {
  const { devices, subscribers, know, add } = monitored(1_000);
  assert.equal(devices.count, 0);
  add("ids", "d1", "unknown");
  add("again", "d1");
  assert.equal(devices.count, 2);
  add("prefix", "d1*");
  assert.equal(devices.count, 1 + 111);
  know("d1000");
  assert.equal(devices.count, 1 + 112);
  add("all", "*");
  assert.equal(devices.count, 1 + 1_001);
  subscribers.remove("all", Interest.EVERYTHING);
  subscribers.remove("prefix", Interest.parse(["d1*"], 1));
  assert.equal(devices.count, 2);
});

Deno.test("MonitoredDevices counts 100,000 devices in steps, and again only after a change", async () => {
  const { devices, know, add, goOn } = monitored(100_000);
  const settle = async () => {
    let steps = 0;
    for (let next; (next = goOn.pop()); steps++) {
      next();
      await Promise.resolve();
      await Promise.resolve();
    }
    return steps;
  };
  add("named", "d1", "unknown");
  assert.equal(devices.count, 2);
  add("all", "*");
  assert.equal(devices.count, 2, "as before");
  assert.equal(devices.count, 2);
  assert.equal(await settle(), 20, "counted once, in steps of 5,000");
  assert.equal(devices.count, 100_001);
  assert.equal(goOn.length, 0, "nothing has changed");
  know("new");
  assert.equal(devices.count, 100_001);
  assert.equal(await settle(), 20);
  assert.equal(devices.count, 100_002);
});
