/** Each network link of the program is cut, stalled, slowed and torn, under load. */

import { DenoKv } from "../kit/servers/denokv.ts";
import { Fleet, pause } from "../kit/fleet.ts";
import { Mosquitto } from "../kit/servers/mosquitto.ts";
import { say } from "../kit/say.ts";
import { TcpProxy } from "../kit/servers/tcp_proxy.ts";
import { Telecast } from "../kit/servers/telecast.ts";

const FLEET = { clients: 40, devices: 40, perSecond: 200 };
const WAYS = ["broker", "denokv", "clients"] as const;
const CALM_MS = 1_000;

const HARMS: Readonly<Record<string, (link: TcpProxy) => Promise<void>>> = {
  "its connections are reset": (link) => Promise.resolve(link.reset()),
  "it is cut for 3 s": async (link) => {
    await link.refuse();
    await pause(3_000);
    await link.accept();
  },
  "it carries nothing for 4 s": async (link) => {
    link.stall();
    await pause(4_000);
    link.pass();
  },
  "it is delayed by 200 ms for 4 s": async (link) => {
    link.delay(200);
    await pause(4_000);
    link.delay(0);
  },
  "an answer is cut in half": (link) => Promise.resolve(link.cutAfter(1_000, "toClient")),
  "a request is cut in half": (link) => Promise.resolve(link.cutAfter(1_000, "toServer")),
};

for (const way of WAYS) {
  Deno.test(`network: whatever happens between Telecast and its ${way}, each message arrives once, in order`, async () => {
    await using broker = await Mosquitto.start();
    await using kv = await DenoKv.start();
    await using toBroker = await TcpProxy.start(broker.port);
    await using toKv = await TcpProxy.start(kv.port);
    await using telecast = await Telecast.start({
      env: {
        ...kv.env,
        DENO_KV_URL: `http://127.0.0.1:${toKv.port}`,
        BROKER_HOST: `mqtt://127.0.0.1:${toBroker.port}`,
        LOG_FORMAT: "text",
      },
    });
    await using toTelecast = await TcpProxy.start(telecast.port);
    await telecast.waitForSource("mqtt", { timeoutMs: 30_000 });
    await using fleet = await Fleet.start({
      ...FLEET,
      brokerUrl: broker.url,
      streamUrls: [`http://127.0.0.1:${toTelecast.port}/api/v1/stream`],
    });
    const link = { broker: toBroker, denokv: toKv, clients: toTelecast }[way];
    for (const [name, harm] of Object.entries(HARMS)) {
      fleet.begin();
      await pause(CALM_MS);
      await harm(link);
      const back = await fleet.untilFlow(60_000);
      await pause(CALM_MS);
      await fleet.halt();
      await fleet.assertFlawless({ timeoutMs: 60_000 });
      say(`${way}, ${name}: messages flow after ${Math.round(back)} ms; ${fleet.summary()}`);
    }
  });
}
