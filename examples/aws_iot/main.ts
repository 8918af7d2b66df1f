/**
 * A device that reports to AWS IoT Core and receives commands:
 *
 *     export AWS_IOT_ENDPOINT=… AWS_IOT_CERT_PATH=… AWS_IOT_KEY_PATH=… AWS_IOT_CA_PATH=… \
 *       AWS_IOT_CLIENT_ID=bombercat-001
 *     deno run --allow-net --allow-read --allow-write=data --allow-env examples/aws_iot/main.ts 10
 *
 * It reports every 10 seconds. Messages that cannot be sent are kept in data/aws_iot.sqlite and are
 * sent when AWS is reachable again, even after a restart. Ctrl-C stops it.
 */

// deno-lint-ignore-file no-console -- an example prints to the console

import { DenoKv } from "../../broker/store/deno_kv.ts";
import { KvBuffer } from "../../ingest/aws_iot/kv_buffer.ts";
import { AwsIotConfigError, AwsIotService } from "../../ingest/aws_iot/service.ts";

const REPORT_MS = Number(Deno.args[0] ?? 10) * 1000;

async function main(): Promise<number> {
  await Deno.mkdir("data", { recursive: true });
  const kv = new DenoKv(() => Deno.openKv("data/aws_iot.sqlite"), { limitMs: 5_000 });
  let service: AwsIotService;
  try {
    service = AwsIotService.fromEnv({}, {
      buffer: (onDropped) => new KvBuffer(kv, { onDropped }),
    });
  } catch (error) {
    if (!(error instanceof AwsIotConfigError)) throw error;
    for (const { name, message } of error.problems) console.error(`${name} ${message}`);
    return 2;
  }
  const stopped = new AbortController();
  Deno.addSignalListener("SIGINT", () => stopped.abort());
  service.onCommand(({ deviceId, data }) => console.log(`command for ${deviceId}:`, data));
  if (await service.start()) console.log("connected:", service.status().detail);
  else console.log("no connection yet:", service.status().reason);
  await service.publishEvent("started", { pid: Deno.pid });
  while (!stopped.signal.aborted) {
    const { rss, heapUsed } = Deno.memoryUsage();
    const receipt = await service.publishTelemetry({ memory: { rss, heapUsed } });
    console.log(receipt, service.status().publish_latency);
    await sleep(REPORT_MS, stopped.signal);
  }
  await service.stop();
  kv.close();
  return 0;
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

if (import.meta.main) Deno.exit(await main());
