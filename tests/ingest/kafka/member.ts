/** A group member in a separate process that can be killed. Arguments: server, group, topic. */

import { KafkaSource } from "../../../ingest/kafka/source.ts";
import { FakeIntake } from "./fake_intake.ts";
import { sourceConfig } from "./run_source.ts";

const [server, groupId, topic] = Deno.args;
const intake = new FakeIntake();
const config = { groupId: groupId!, topics: [topic!], sessionMs: 2_000 };
new KafkaSource(sourceConfig(server!, config)).start(intake, (state) => print({ state }));

setInterval(() => {
  for (const received of intake.received.splice(0)) print({ received });
}, 20);

function print(value: unknown): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(value)}\n`));
}
