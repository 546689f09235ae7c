/** Where the phone is. It is asked only by a press of the person, and a refusal costs nothing. */
export interface Fix {
  lat: number;
  lng: number;
  /** In metres. */
  accuracy: number;
  positionAt: string;
}

export type Where =
  | { readonly state: "unasked" | "asking" | "denied" | "unavailable" }
  | { readonly state: "known"; readonly fix: Fix };

/** Not there where the person has turned it off in the browser. */
const { geolocation }: { geolocation?: Geolocation } = navigator;

export let where: Where = { state: "unasked" };
let tell = () => {};

export function onWhere(listener: () => void): void {
  tell = listener;
}

/** Asks once. Indoors a first position can take a while. */
export function locate(): Promise<Fix | undefined> {
  ask();
  return new Promise((resolve) => {
    if (!geolocation) return resolve(undefined);
    geolocation.getCurrentPosition(
      (position) => resolve(found(position)),
      (error) => resolve(missed(error)),
      { enableHighAccuracy: true, timeout: 60_000, maximumAge: 10_000 },
    );
  });
}

/** Tells positions as the phone moves, until the returned function is called. */
export function watch(onFix: (fix: Fix) => void): () => void {
  ask();
  const id = geolocation?.watchPosition((position) => onFix(found(position)), missed, {
    enableHighAccuracy: true,
    maximumAge: 10_000,
  });
  return () => {
    if (id) geolocation?.clearWatch(id);
    if (where.state === "asking") show({ state: "unasked" });
  };
}

/** Metres between two places: on the scale of a city the earth is flat. */
export function metresBetween(a: { lat: number; lng: number }, b: { lat: number; lng: number }): number {
  const degree = 111_195;
  return Math.hypot((a.lat - b.lat) * degree, (a.lng - b.lng) * degree * Math.cos((a.lat * Math.PI) / 180));
}

function ask(): void {
  show({ state: geolocation ? "asking" : "unavailable" });
}

function found({ coords, timestamp }: GeolocationPosition): Fix {
  const { latitude: lat, longitude: lng, accuracy } = coords;
  const fix = { lat, lng, accuracy: Math.round(accuracy), positionAt: new Date(timestamp).toISOString() };
  show({ state: "known", fix });
  return fix;
}

function missed({ code }: GeolocationPositionError): undefined {
  show({ state: code === GeolocationPositionError.PERMISSION_DENIED ? "denied" : "unavailable" });
}

function show(now: Where): void {
  where = now;
  tell();
}
