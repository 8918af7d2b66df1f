import assert from "node:assert/strict";
import { z } from "zod";
import { MessageCheck } from "../../../../ingest/messages/check.ts";
import {
  checkBotonera,
  registerMessageType,
} from "../../../../ingest/messages/botonera/message_types.ts";

/** A valid message of each type, and whether it notifies people. */
const MESSAGES: Record<string, { fields: Record<string, unknown>; notifies: boolean }> = {
  semaforos: { fields: { tipo_alarma: "AZUL", empresa: "cota" }, notifies: true },
  alarmas: { fields: { tipo_alarma: "CRITICA", descripcion: "Falla" }, notifies: true },
  estado: { fields: { status: "online", timestamp: "2026-01-01T12:00:00" }, notifies: false },
  configuracion: { fields: { parametros: { intervalo: 30 } }, notifies: false },
  heartbeat: { fields: { timestamp: "2026-01-01T12:00:00" }, notifies: false },
};

for (const [type, { fields, notifies }] of Object.entries(MESSAGES)) {
  Deno.test(`checkBotonera() accepts ${type} with unknown fields`, () => {
    const checked = checkBotonera({ tipo_mensaje: type, ...fields, extra: [1] });
    const company = fields.empresa as string | undefined;
    assert.deepEqual(checked, { kind: "message", message: { type, company, notifies } });
  });

  for (const field of Object.keys(fields)) {
    for (
      const [how, broken] of Object.entries({
        missing: undefined,
        null: null,
        blank: " ",
        wrong: true,
      })
    ) {
      Deno.test(`checkBotonera() refuses ${type} if ${field} is ${how}, and names it`, () => {
        const value = { tipo_mensaje: type, ...fields, [field]: broken };
        assert.deepEqual(checkBotonera(value), { kind: "bad_fields", fields: [field] });
      });
    }
  }
}

Deno.test("checkBotonera() trims the company like the device id; an empty one is none", () => {
  const companyOf = (empresa: unknown) => {
    const checked = checkBotonera({
      tipo_mensaje: "alarmas",
      ...MESSAGES.alarmas!.fields,
      empresa,
    });
    return checked.kind === "message" ? checked.message.company ?? "none" : checked.kind;
  };
  const companies = ["cota", " cota\t", "", " ", null, undefined].map(companyOf);
  assert.deepEqual(companies, ["cota", "cota", "none", "none", "none", "none"]);
  assert.equal(companyOf(true), "bad_fields");
});

Deno.test("checkBotonera() ignores messages without tipo_mensaje and refuses unknown types", () => {
  assert.deepEqual(checkBotonera({ data: { DEVICE_ID: "1" } }), { kind: "other" });
  assert.deepEqual(checkBotonera({ tipo_mensaje: null }), { kind: "other" });
  for (const tipo_mensaje of ["otro", "", 7, "__proto__", "constructor"]) {
    assert.deepEqual(checkBotonera({ tipo_mensaje }), { kind: "unknown_type" });
  }
});

Deno.test("registerMessageType() adds a type", () => {
  const schema = z.looseObject({ nivel: z.number() });
  registerMessageType("bateria", { schema, notifies: false });
  const check = (nivel: unknown) => checkBotonera({ tipo_mensaje: "bateria", nivel }).kind;
  assert.deepEqual([check(4), check("4")], ["message", "bad_fields"]);
});

Deno.test("MessageCheck streams a panic button message under its company or its topic", () => {
  const check = new MessageCheck({ maxMessageBytes: 60_000, commandTopicPrefix: "commands/" });
  const deviceOf = (value: unknown) => {
    const bytes = new TextEncoder().encode(JSON.stringify(value));
    const checked = check.check(bytes, { topic: "empresas" });
    return checked.message?.deviceId ?? checked.refusal;
  };
  const { semaforos, alarmas } = MESSAGES;
  assert.equal(deviceOf({ tipo_mensaje: "semaforos", ...semaforos!.fields }), "cota");
  assert.equal(deviceOf({ tipo_mensaje: "alarmas", ...alarmas!.fields }), "empresas");
  // A message of an unknown type is still streamed.
  assert.equal(deviceOf({ tipo_mensaje: "otro" }), "empresas");
});
