/** The files and outputs for Prometheus and Grafana: the exposition, alerts, a dashboard. */

import assert from "node:assert/strict";
import { read } from "../docs/markdown.ts";
import { TestProcess } from "../kit/servers/process.ts";
import { Whole } from "./whole.ts";

const RULES = "deploy/prometheus/telecast.rules.yml";
const RULES_TEST = "tests/integration/prometheus/rules_test.yml";
const DASHBOARD = "deploy/grafana/telecast.json";

async function promtool(args: string[], input?: string): Promise<string> {
  await using process = TestProcess.start("promtool", { args, ...(input && { input }) });
  const { code } = await process.waitForExit();
  assert.equal(code, 0, process.output);
  return process.output;
}

/** The exposition of a program that exports all metrics, and the names of the metrics. */
async function exposition(): Promise<{ text: string; names: Set<string> }> {
  await using whole = await Whole.start();
  const text = await (await fetch(`${whole.telecast.url}/metrics`)).text();
  return {
    text,
    names: new Set([...text.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name!)),
  };
}

/** Names of metrics in a file; series of a histogram count as the histogram. */
function named(text: string, names: ReadonlySet<string>): string[] {
  return [...new Set(text.match(/\btelecast_[a-z0-9_]+/g))].map((name) =>
    names.has(name) ? name : name.replace(/_(bucket|sum|count)$/, "")
  );
}

Deno.test("promtool finds no problem in the exposition, the alerts and the configuration", async () => {
  const { text } = await exposition();
  assert.equal((await promtool(["check", "metrics"], text)).trim(), "");
  assert.match(await promtool(["check", "rules", RULES]), /SUCCESS: \d+ rules found/);
  await promtool(["check", "config", "--syntax-only", "deploy/prometheus/prometheus.yml"]);
});

Deno.test("each alert fires when it should, and only then", async () => {
  assert.match(await promtool(["test", "rules", RULES_TEST]), /SUCCESS/);
  const tests = await read(RULES_TEST);
  const alerts = [...(await read(RULES)).matchAll(/- alert: (\w+)/g)].map(([, name]) => name!);
  assert.ok(alerts.length > 10);
  for (const alert of alerts) {
    assert.match(tests, new RegExp(`alertname: ${alert}\\n +exp_alerts:\\n +- `), alert);
  }
});

Deno.test("alerts, the dashboard and docs/operate.md name only existing metrics", async () => {
  const { names } = await exposition();
  for (const path of [RULES, RULES_TEST, DASHBOARD, "docs/operate.md"]) {
    const text = await read(path);
    const unknown = named(text, names).filter((name) => !names.has(name));
    assert.deepEqual(unknown, [], path);
  }
  const documented = named(await read("docs/operate.md"), names);
  assert.deepEqual([...names].filter((name) => !documented.includes(name)), []);
});

Deno.test("every panel of the dashboard has queries, and none overlap", async () => {
  const { uid, panels } = JSON.parse(await read(DASHBOARD));
  assert.equal(uid, "telecast");
  const taken = new Set<string>();
  for (const { title, type, targets, gridPos: { x, y, w, h } } of panels) {
    if (type !== "row") assert.ok(targets.every(({ expr }: { expr: string }) => expr), title);
    for (let i = x; i < x + w; i++) {
      for (let j = y; j < y + h; j++) {
        assert.ok(i < 24 && !taken.has(`${i} ${j}`), title);
        taken.add(`${i} ${j}`);
      }
    }
  }
});
