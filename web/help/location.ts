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

export let where: Where = { state: "unasked" };
let tell = () => {};

export function onWhere(listener: () => void): void {
  tell = listener;
}

/** Asks once. Indoors a first position can take a while. */
export function locate(): Promise<Fix | undefined> {
  show({ state: "asking" });
  return new Promise((resolve) => {
    if (!navigator.geolocation) {
      show({ state: "unavailable" });
      return resolve(undefined);
    }
    navigator.geolocation.getCurrentPosition(
      (position) => resolve(found(position)),
      (error) => resolve(missed(error)),
      { enableHighAccuracy: true, timeout: 60_000, maximumAge: 10_000 },
    );
  });
}

/** Tells positions as the phone moves, until the returned function is called. */
export function watch(onFix: (fix: Fix) => void): () => void {
  const id = navigator.geolocation?.watchPosition((position) => onFix(found(position)), missed, {
    enableHighAccuracy: true,
    maximumAge: 10_000,
  });
  return () => navigator.geolocation?.clearWatch(id);
}

/** Metres between two places: on the scale of a city the earth is flat. */
export function metresBetween(a: { lat: number; lng: number }, b: { lat: number; lng: number }): number {
  const degree = 111_195;
  return Math.hypot((a.lat - b.lat) * degree, (a.lng - b.lng) * degree * Math.cos((a.lat * Math.PI) / 180));
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
