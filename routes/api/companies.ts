/** The companies that messages may name. */

import { Hono } from "hono";
import { z } from "zod";
import type { AppDeps } from "../http/deps.ts";
import { jsonBody } from "../http/json_body.ts";

export const companySchema = z.object({
  id: z.string().trim().min(1).max(128),
  name: z.string().trim().min(1).max(200),
});

export function companyRoutes({ companies }: AppDeps): Hono {
  const path = "/api/v1/empresas";
  return new Hono()
    .get(path, (c) => c.json({ empresas: companies.all }))
    .post(path, async (c) => {
      const company = await jsonBody(c, companySchema);
      await companies.add(company);
      return c.json(company, 201);
    });
}
