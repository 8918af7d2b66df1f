/** Operations on companies, and on the work that their messages cause. */

import { z } from "zod";
import { companySchema } from "../api/companies.ts";
import { deliveriesQuerySchema } from "../api/deliveries.ts";
import { deliveriesSchema, retriedSchema } from "./answers.ts";
import type { Operation } from "./operation.ts";

const company = { id: "funza", name: "Funza" };

export const WORK_OPERATIONS: readonly Operation[] = [
  {
    method: "get",
    path: "/ws",
    id: "inbound",
    tag: "Alarms",
    summary: "WebSocket: messages from people, each is answered once it is stored",
    websocketOnly: true,
    answers: { 101: { description: "The WebSocket is open" } },
    problems: {
      400: ["bad_upgrade"],
      403: ["origin_not_allowed"],
      426: ["websocket_required", "bad_websocket_version"],
      429: ["too_many_connections_of_address", "too_many_connections_of_token"],
      503: ["draining", "shadow", "too_many_connections", "too_many_new_connections"],
    },
  },
  {
    method: "get",
    path: "/api/v1/empresas",
    id: "companies",
    tag: "Alarms",
    summary: "Lists the companies that messages may name",
    answers: {
      200: {
        description: "All companies",
        schema: z.object({ empresas: z.array(companySchema) }),
        example: { empresas: [company] },
      },
    },
  },
  {
    method: "post",
    path: "/api/v1/empresas",
    id: "addCompany",
    tag: "Alarms",
    summary: "Adds or renames a company, on every instance at once",
    body: { schema: companySchema, example: company },
    answers: { 201: { description: "The company", schema: companySchema, example: company } },
    problems: { 503: ["store_away"] },
  },
  {
    method: "get",
    path: "/api/v1/deliveries",
    id: "deliveries",
    tag: "Alarms",
    summary: "Lists work for the backend and WhatsApp that failed for good, or waits",
    query: deliveriesQuerySchema,
    answers: {
      200: {
        description: "The first 1,000 deliveries",
        schema: deliveriesSchema,
        example: {
          deliveries: [{
            id: "cota-81",
            kind: "backend",
            state: "dead",
            attempts: 20,
            reason: "the backend answered 500",
          }],
        },
      },
    },
    problems: { 400: ["bad_state"] },
    example: { query: { state: "dead" } },
  },
  {
    method: "post",
    path: "/api/v1/deliveries/{id}/retry",
    id: "retryDelivery",
    tag: "Alarms",
    summary: "Retries a delivery that failed for good",
    parameters: [{
      name: "id",
      in: "path",
      description: "The delivery's id",
      schema: z.string().min(1),
    }],
    answers: { 200: { description: "The delivery waits for its turn", schema: retriedSchema } },
    problems: { 404: ["unknown_delivery"] },
    example: { path: { id: "cota-81" } },
  },
];
