/** The health check of the image: exits 0 if this container's server may get traffic. */

const scheme = Deno.env.get("TLS_CERT_PATH") ? "https" : "http";
const url = `${scheme}://127.0.0.1:${Deno.env.get("PORT") || 8000}/readyz`;
const status = await fetch(url).then(
  async (response) => {
    await response.body?.cancel();
    return response.ok ? "ready" : `answered ${response.status}`;
  },
  (error) => `does not answer: ${error.cause?.message ?? error.message}`,
);
Deno.stdout.writeSync(new TextEncoder().encode(`${url} ${status}\n`));
Deno.exit(status === "ready" ? 0 : 1);
