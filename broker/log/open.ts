/** Opens the store that DENO_KV_URL names, and the fanout on it. */

import { dirname } from "node:path";
import type { Config } from "../../config/config.ts";
import type { Fanout } from "./fanout.ts";
import { DAMAGED_FILE, DenoKv, isDamage, unlocked } from "../store/deno_kv.ts";
import type { KvClient } from "../store/kv_client.ts";
import { KvFanout, type KvFanoutOptions } from "./kv_fanout.ts";
import { MemoryFanout } from "./memory_fanout.ts";
import { MemoryKv } from "../store/memory_kv.ts";
import { openRemoteKv } from "../store/remote_kv.ts";
import { Settings } from "../store/settings.ts";

const DEFAULT_PATH = "data/telecast.sqlite";
/** Recent messages in memory; they serve resumes after seconds to minutes. */
const RECENT_BYTES = 64 * 1_048_576;
const CALL_LIMIT_MS = 5_000;
/** How often the head is read in case a wake was lost. */
const POLL_MS = 1_000;
/** Another process that has the same file open sends no wakes. */
const FILE_POLL_MS = 50;

/** The store cannot be opened; the message names the variable to fix. */
export class StoreError extends Error {
  override readonly name = "StoreError";
}

export interface OpenStore extends Disposable {
  readonly fanout: Fanout;
  readonly settings: Settings;
  /** Undefined for the store in memory, which is not shared. */
  readonly kv?: KvClient;
  /** Where work and companies are kept: the store, or memory. */
  readonly work: KvClient;
  /** The store in use, for people; without credentials. */
  readonly description: string;
}

/** @throws {StoreError} */
export async function openStore(
  config: Config,
  /** `platformStore`: use the platform's store unless DENO_KV_URL names another. */
  { platformStore = false }: { readonly platformStore?: boolean } = {},
): Promise<OpenStore> {
  const options = {
    retentionMs: config.retentionSeconds * 1000,
    recentMaxBytes: RECENT_BYTES,
  };
  const { url = DEFAULT_PATH } = config.kv;
  if (url === "memory:") {
    const work = new MemoryKv();
    return {
      fanout: new MemoryFanout({ ...options, work }),
      work,
      settings: new Settings(),
      description: "memory",
      [Symbol.dispose]: () => {},
    };
  }
  if (platformStore && config.kv.url === undefined) {
    return onKv(() => Deno.openKv(), options, POLL_MS, "of the platform");
  }
  const remote = /^https?:\/\//.test(url);
  const local = remote ? undefined : await openFile(url);
  const open = () =>
    local ? Promise.resolve(local) : openRemoteKv(url, config.kv.accessToken ?? "");
  return remote
    ? onKv(open, options, POLL_MS, new URL(url).host)
    : onKv(open, { ...options, onDisk: true }, FILE_POLL_MS, url);
}

function onKv(
  open: () => Promise<Deno.Kv>,
  options: KvFanoutOptions,
  pollMs: number,
  description: string,
): OpenStore {
  const kv = new DenoKv(open, { limitMs: CALL_LIMIT_MS });
  return {
    fanout: new KvFanout(kv, { ...options, pollMs }),
    kv,
    work: kv,
    settings: new Settings(kv),
    description,
    [Symbol.dispose]: () => kv.close(),
  };
}

/**
 * A file is opened at startup, so that a bad one is reported at once; a server may be unavailable
 * then.
 */
async function openFile(path: string): Promise<Deno.Kv> {
  try {
    await Deno.mkdir(dirname(path), { recursive: true });
    return await unlocked(() => Deno.openKv(path));
  } catch (error) {
    throw new StoreError(`DENO_KV_URL cannot be opened: ${reasonOf(error, path)}`);
  }
}

function reasonOf(error: unknown, url: string): string {
  if (error instanceof Deno.errors.NotCapable) {
    return "`deno task start` may write under ./data only: name a file there";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return "the file is not writable: check its owner and permissions";
  }
  const text = error instanceof Error ? error.message : String(error);
  if (isDamage(error)) return DAMAGED_FILE;
  return text.replaceAll(url, "the database").replaceAll(`'${dirname(url)}'`, "its folder");
}
