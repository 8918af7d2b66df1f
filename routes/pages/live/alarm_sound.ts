/// <reference lib="dom" />
import { byId } from "../shared/dom.ts";
import { storeChoice, storedChoice } from "../shared/preferences.ts";
import type { Alarms } from "./alarms.ts";

const REPEAT_MS = 20_000;
const TONES_HZ = [880, 660, 880, 660];
const TONE_S = 0.18;

/** Plays a sound while there is an unseen critical alarm, if the user has switched it on. */
export class AlarmSound {
  readonly #alarms: Alarms;
  readonly #button = byId("sound-button");
  #context: AudioContext | undefined;
  #urgent: unknown;
  #soundAt = 0;

  constructor(alarms: Alarms) {
    this.#alarms = alarms;
    this.#button.addEventListener("click", () => {
      storeChoice("sound", this.#isOn ? undefined : "on");
      this.#show();
      if (this.#isOn) this.#play(Date.now());
    });
    this.#show();
  }

  /** @param now In ms since 1970. */
  refresh(now: number): void {
    const { urgent } = this.#alarms;
    const isNew = urgent !== this.#urgent;
    this.#urgent = urgent;
    if (urgent && this.#isOn && (isNew || now >= this.#soundAt)) this.#play(now);
  }

  get #isOn(): boolean {
    return storedChoice("sound") === "on";
  }

  #show(): void {
    this.#button.setAttribute("aria-pressed", String(this.#isOn));
  }

  #play(now: number): void {
    this.#soundAt = now + REPEAT_MS;
    const context = this.#context ??= new AudioContext();
    // Browsers play no sound until the user has interacted with the page.
    void context.resume();
    TONES_HZ.forEach((frequency, n) => {
      const at = context.currentTime + n * TONE_S;
      const gain = context.createGain();
      gain.gain.setValueAtTime(0.2, at);
      gain.gain.exponentialRampToValueAtTime(0.001, at + TONE_S);
      const tone = context.createOscillator();
      tone.frequency.value = frequency;
      tone.connect(gain).connect(context.destination);
      tone.start(at);
      tone.stop(at + TONE_S);
    });
  }
}
