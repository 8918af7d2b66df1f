/** Both pages show the names of devices and companies as text, with the real program. */

/// <reference lib="dom" />
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { BackendServer } from "../kit/servers/backend.ts";
import { Mosquitto } from "../kit/servers/mosquitto.ts";
import { MqttPublisher } from "../kit/clients/mqtt_publisher.ts";
import { trackingPayload } from "../kit/payload.ts";
import { Telecast } from "../kit/servers/telecast.ts";
import { browserTest, shownIds, waitForIds, waitForText } from "./page_kit.ts";

/** Sets `hacked` if it is interpreted as HTML or as an attribute; at most 128 characters each. */
const MARKUP = [
  `<img src=x onerror="window.hacked=1">`,
  `"><script>window.hacked=1</script>`,
  `' onmouseover='window.hacked=1`,
  `</title></style><svg onload=window.hacked=1>`,
  `javascript:window.hacked=1`,
  `\${window.hacked=1}{{window.hacked=1}}`,
];
const NAMES_OF_OBJECTS = ["__proto__", "constructor", "toString", "hasOwnProperty", "length"];
const COMBINED = "Z\u0351\u036B\u0343\u036A\u0302\u036B\u033D\u034F\u0334\u0319\u0324".repeat(9);
const ODD = [
  "W".repeat(128),
  "a b/c?d=e&f#g%20,h",
  "\u202Egnp.tropbus",
  "\u0645\u0631\u0643\u0628\u0629 7",
  "bus\u200B-1",
  "\u{1F68C}\u{1F3FD}",
  COMBINED,
];
/** Invisible characters are made visible: they would make an id look like another. */
const SHOWN_AS = new Map([
  ["\u202Egnp.tropbus", "[U+202E]gnp.tropbus"],
  ["bus\u200B-1", "bus[U+200B]-1"],
  [COMBINED, COMBINED.replaceAll("\u034F", "[U+034F]")],
]);
const IDS = [...MARKUP, ...NAMES_OF_OBJECTS, ...ODD];

class HostileWorld implements AsyncDisposable {
  private constructor(
    readonly telecast: Telecast,
    readonly publisher: MqttPublisher,
    readonly backend: BackendServer,
    private readonly stack: AsyncDisposableStack,
  ) {}

  static async start(): Promise<HostileWorld> {
    await using stack = new AsyncDisposableStack();
    const broker = stack.use(await Mosquitto.start());
    const backend = stack.use(await BackendServer.start());
    backend.behave = () => 422;
    const telecast = stack.use(
      await Telecast.start({ env: { BROKER_HOST: broker.url, BACKEND_URL: backend.url } }),
    );
    await telecast.waitForSource();
    const publisher = stack.use(await MqttPublisher.connect(broker.url));
    return new HostileWorld(telecast, publisher, backend, stack.move());
  }

  get url(): string {
    return `${this.telecast.url}/`;
  }

  async publish(payload: unknown): Promise<void> {
    const text = typeof payload === "string" ? payload : JSON.stringify(payload);
    await this.publisher.publish("fleet/any", text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack.disposeAsync();
  }
}

/** Fails if a script ran, markup became an element, or the page is wider than the window. */
async function assertHarmless(page: Page): Promise<void> {
  const found = await page.evaluate(() => ({
    hacked: "hacked" in globalThis,
    polluted: Object.keys(Object.prototype),
    made: document.querySelectorAll("img[src=x], svg[onload], [onmouseover], [onclick]").length,
    inline: document.querySelectorAll("script:not([src])").length,
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  }));
  assert.deepEqual(found, { hacked: false, polluted: [], made: 0, inline: 0, wide: 0 });
}

browserTest(
  "the live page shows hostile ids and fields as text, and each id as its own vehicle",
  HostileWorld.start,
  { context: { viewport: { width: 1366, height: 2000 } } },
  async (page, world) => {
    await waitForText(page, "#connection", /Live/);
    for (const [i, id] of IDS.entries()) {
      const data = {
        LATITUD: String(20.6 + i / 500),
        LONGITUD: "-100.4",
        SPEED: "43",
        EMPRESA: MARKUP[i % MARKUP.length],
        ["<b onclick=window.hacked=1>field</b>"]: MARKUP[0],
      };
      await world.publish(trackingPayload(id, 1, { data, chars: 0 }));
    }
    // Only JSON can create an object with these own keys.
    await world.publish(
      `{"data":{"DEVICE_ID":"plain","__proto__":{"hacked":1},"LATITUD":"20.6","LONGITUD":"-100.4"},` +
        `"decoded":{"__proto__":{"hacked":1}},"metadata":{},"raw":"","uuid":"u-plain"}`,
    );
    await waitForText(page, "#figure-vehicles", new RegExp(`${IDS.length + 1}`));
    await waitForIds(page, [...IDS.map((id) => SHOWN_AS.get(id) ?? id), "plain"]);
    for (const name of await shownIds(page)) {
      await page.locator(".vehicle .name").getByText(name, { exact: true }).click();
      await page.waitForFunction(
        (expected) => document.querySelector("#device-name")?.textContent === expected,
        name,
      );
      await page.getByText("History").click();
    }
    await assertHarmless(page);
  },
);

browserTest(
  "alarms with hostile companies and types are text in the list, the banner and the announcement",
  HostileWorld.start,
  {},
  async (page, world) => {
    await waitForText(page, "#connection", /Live/);
    for (const text of [...MARKUP, ...NAMES_OF_OBJECTS]) {
      await world.publish({
        ...{ tipo_mensaje: "alarmas", tipo_alarma: text, descripcion: text },
        ...{ device_id: text, uuid: crypto.randomUUID() },
      });
    }
    await waitForText(
      page,
      "#alarm-badge",
      new RegExp(`^${MARKUP.length + NAMES_OF_OBJECTS.length}$`),
    );
    await page.click("#alarms-tab");
    const kinds = await page.locator("#alarm-list strong").allTextContents();
    assert.deepEqual(kinds.toSorted(), [...MARKUP, ...NAMES_OF_OBJECTS].toSorted());
    await assertHarmless(page);
  },
);

browserTest(
  "the operator's page shows texts from a backend and from companies as text",
  HostileWorld.start,
  { path: "ops" },
  async (page, world) => {
    await waitForText(page, "#connection", /Up to date/);
    for (const id of [...MARKUP, ...NAMES_OF_OBJECTS]) {
      await world.telecast.json("/api/v1/empresas", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ id, name: id }),
      });
      await world.publish({
        ...{ tipo_mensaje: "semaforos", tipo_alarma: "ROJO", empresa: id },
        uuid: crypto.randomUUID(),
      });
    }
    await waitForText(page, "#deliveries-help", /[1-9]\d* dead/);
    await page.locator("#deliveries tbody tr").nth(MARKUP.length).waitFor();
    await assertHarmless(page);
  },
);
