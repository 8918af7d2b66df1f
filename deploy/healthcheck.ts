/** Exits 0 where this container's server may get traffic: the health check of the image. */

const response = await fetch(`http://127.0.0.1:${Deno.env.get("PORT") || 8000}/readyz`);
await response.body?.cancel();
Deno.exit(response.ok ? 0 : 1);
