/**
 * A program that embeds Telecast and adds message types for alarm panels:
 *
 *     MQTT_BROKER=localhost BACKEND_URL=http://localhost:9000 deno run --allow-net --allow-read \
 *       --allow-write=data --allow-env examples/alarm_panels/main.ts
 *
 * Then, from another terminal:
 *
 *     mosquitto_sub -t 'luces/#' &
 *     mosquitto_pub -t empresas -m '{"tipo_mensaje":"semaforos","tipo_alarma":"AZUL","empresa":"chia"}'
 *
 * Ctrl-C stops it.
 */

// deno-lint-ignore-file no-console -- an example prints to the console

import { ConfigError, Telecast } from "../../mod.ts";

try {
  const telecast = await Telecast.start({
    messageTypes: new URL("./types.ts", import.meta.url),
    async onInbound(message, { whatsapp, signal }) {
      console.log("message from a person:", message);
      await whatsapp?.send(String(message.from), { type: "text", text: "Recibido" }, signal);
    },
  });
  await telecast.addCompany("chia", "Chía");
  const port = Number(Deno.env.get("PORT") ?? 8000);
  const server = Deno.serve({ port, hostname: "127.0.0.1" }, telecast.fetch);
  Deno.addSignalListener("SIGINT", async () => {
    await telecast.stop();
    await server.shutdown();
    Deno.exit(0);
  });
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  for (const { name, message } of error.problems) console.error(`${name} ${message}`);
  Deno.exit(2);
}
