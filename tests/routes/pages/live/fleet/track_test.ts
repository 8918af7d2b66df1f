import assert from "node:assert/strict";
import { Track } from "../../../../../routes/pages/live/fleet/track.ts";

const point = (time: number) => ({ time, x: time / 1e6, y: 0.5, speed: time, satellites: NaN });
const times = (track: Track) => Array.from({ length: track.length }, (_, i) => track.time(i));
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

Deno.test("Track keeps the newest 256 points in order", () => {
  const track = new Track();
  for (const time of range(0, 10)) track.push(point(time));
  assert.deepEqual(times(track), range(0, 10));
  for (const time of range(10, 1000)) track.push(point(time));
  assert.deepEqual(times(track), range(744, 1000));
  assert.equal(track.x(0), 744 / 1e6);
  assert.equal(track.speed(255), 999);
  assert(Number.isNaN(track.satellites(3)));
});

Deno.test("Track.prepend() adds older points and keeps the newest ones", () => {
  const track = new Track();
  for (const time of range(100, 110)) track.push(point(time));
  track.prepend(range(90, 105).map(point));
  assert.deepEqual(times(track), range(90, 110));
  track.prepend(range(-500, 90).map(point));
  assert.deepEqual(times(track), range(-146, 110));
});
