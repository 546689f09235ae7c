/** Quiet mode: dark, no sound, no vibration. For somebody who must not be noticed. */
import { saveSetting, setting } from "./language.js";

let quiet = setting("quiet") === "on";
let audio: AudioContext | undefined;

export function isQuiet(): boolean {
  return quiet;
}

export function setQuiet(wanted: boolean): void {
  quiet = wanted;
  saveSetting("quiet", wanted ? "on" : "off");
  document.documentElement.dataset.quiet = wanted ? "on" : "off";
}

/** What another tab has chosen. */
export function readQuiet(): void {
  quiet = setting("quiet") === "on";
  document.documentElement.dataset.quiet = quiet ? "on" : "off";
}

/** Browsers allow sound only after a gesture: called at the press. */
export function allowSound(): void {
  if (!quiet) audio ??= new AudioContext();
}

/** Somebody is there, or has written. */
export function alertPerson(): void {
  if (quiet) return;
  navigator.vibrate?.([200, 100, 200]);
  if (audio?.state !== "running") return;
  const tone = audio.createOscillator();
  const volume = audio.createGain();
  const { currentTime } = audio;
  tone.frequency.value = 660;
  volume.gain.setValueAtTime(0.15, currentTime);
  volume.gain.exponentialRampToValueAtTime(0.001, currentTime + 0.4);
  tone.connect(volume).connect(audio.destination);
  tone.start();
  tone.stop(currentTime + 0.4);
}
