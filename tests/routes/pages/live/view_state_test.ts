import assert from "node:assert/strict";
import { parseViewState, withViewState } from "../../../../routes/pages/live/view_state.ts";

const NOTHING = { search: "", show: "all", company: "", order: "id", device: "" } as const;

Deno.test("parseViewState() reads valid values, and uses defaults for the rest", () => {
  assert.deepEqual(parseViewState(""), NOTHING);
  assert.deepEqual(parseViewState("?show=broken&sort=height&q="), NOTHING);
  assert.deepEqual(parseViewState("?q=08&show=stale&company=a%20%26b&sort=silent&device=x%2Fy"), {
    search: "08",
    show: "stale",
    company: "a &b",
    order: "silent",
    device: "x/y",
  });
});

Deno.test("withViewState() writes values that differ from the default, and keeps other parameters", () => {
  assert.equal(withViewState("?q=1&show=stale", NOTHING), "");
  assert.equal(withViewState("?a=1&q=2", { ...NOTHING, device: "x/y" }), "?a=1&device=x%2Fy");
  const state = { ...NOTHING, search: "ñ &=", order: "speed" } as const;
  assert.deepEqual(parseViewState(withViewState("", state)), state);
});
