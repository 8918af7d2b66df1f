import assert from "node:assert/strict";
import type { Revocations } from "../../../broker/cluster/revocations.ts";
import { onGrantEnd } from "../../../routes/access/grant_end.ts";
import { type Grant, OPEN_GRANT } from "../../../routes/access/tokens.ts";
import { VirtualTime } from "../../server/virtual_time.ts";

const DAY_MS = 86_400_000;

/** The end of a grant in virtual time, with a controllable revocation of its token. */
class Kit implements Disposable {
  readonly ends: string[] = [];
  readonly listeners = new Set<() => void>();
  readonly time = new VirtualTime();
  isRevoked = false;
  readonly #dateNow = Date.now;

  constructor() {
    const begin = this.#dateNow();
    Date.now = () => begin + this.time.now;
  }

  begin(grant: Partial<Grant>): () => void {
    const revocations = {
      isRevoked: () => this.isRevoked,
      onChange: (listener: () => void) => {
        this.listeners.add(listener);
        return () => this.listeners.delete(listener);
      },
    } as unknown as Revocations;
    return onGrantEnd({ ...OPEN_GRANT, ...grant }, revocations, (reason) => this.ends.push(reason));
  }

  [Symbol.dispose](): void {
    Date.now = this.#dateNow;
    this.time[Symbol.dispose]();
  }
}

Deno.test("onGrantEnd() ends a grant on time, also if that is longer than a timer can be set for", async () => {
  for (const days of [1, 100]) {
    using kit = new Kit();
    kit.begin({ expiresAt: Date.now() + days * DAY_MS });
    await kit.time.pass(days * DAY_MS - 1);
    assert.deepEqual(kit.ends, []);
    await kit.time.pass(1);
    assert.deepEqual(kit.ends, ["token_expired"]);
    assert.equal(kit.listeners.size, 0);
  }
});

Deno.test("onGrantEnd() ends a grant once, whether it was revoked before the call or later", async () => {
  for (const before of [true, false]) {
    using kit = new Kit();
    kit.isRevoked = before;
    kit.begin({ tokenId: "t", expiresAt: Date.now() + DAY_MS });
    assert.deepEqual(kit.ends, before ? ["token_revoked"] : []);
    kit.isRevoked = true;
    for (const changed of [...kit.listeners]) changed();
    await kit.time.pass(2 * DAY_MS);
    assert.deepEqual(kit.ends, ["token_revoked"]);
    assert.equal(kit.listeners.size, 0);
  }
});

Deno.test("onGrantEnd() reports nothing once its stream is gone, and keeps no listener", async () => {
  using kit = new Kit();
  const stop = kit.begin({ tokenId: "t", expiresAt: Date.now() + DAY_MS });
  assert.equal(kit.listeners.size, 1);
  stop();
  await kit.time.pass(2 * DAY_MS);
  assert.deepEqual([kit.ends, kit.listeners.size], [[], 0]);
  kit.begin({});
  assert.equal(kit.listeners.size, 0, "nothing can end a grant without ids and an expiry");
});
