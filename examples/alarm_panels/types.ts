/**
 * Types of messages beside those that Telecast knows, and another handling of one that it does. This
 * module is imported where messages are checked, in workers, and where they are handled.
 */

import { z } from "zod";
import { registerMessageType } from "../../mod.ts";

const text = z.string().min(1);

/** A new type: checked by its schema, handed to the backend like any other. */
registerMessageType("bateria", {
  schema: z.looseObject({ nivel: z.number().min(0).max(100) }),
  notifies: false,
});

/** The lights of a company turn to the colour of its alarm; then the backend hears of it. */
registerMessageType("semaforos", {
  schema: z.looseObject({ tipo_alarma: text, empresa: text }),
  notifies: false,
  async handle(message, { id, signal, publish, backend }) {
    await publish(`luces/${message.empresa}`, { color: message.tipo_alarma });
    await backend?.process(message, id, signal);
  },
});
