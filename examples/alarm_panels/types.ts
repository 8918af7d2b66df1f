/**
 * A message type in addition to the built-in ones, and a custom handler for a built-in one. This
 * module is imported by the workers, which check messages, and by the thread that handles them.
 */

import { z } from "zod";
import { registerMessageType } from "../../mod.ts";

const text = z.string().min(1);

/** A new type: checked against its schema and passed to the backend like any other. */
registerMessageType("bateria", {
  schema: z.looseObject({ nivel: z.number().min(0).max(100) }),
  notifies: false,
});

/** Sets the lights of a company to the color of its alarm, then notifies the backend. */
registerMessageType("semaforos", {
  schema: z.looseObject({ tipo_alarma: text, empresa: text }),
  notifies: false,
  async handle(message, { id, signal, publish, backend }) {
    await publish(`luces/${message.empresa}`, { color: message.tipo_alarma });
    await backend?.process(message, id, signal);
  },
});
