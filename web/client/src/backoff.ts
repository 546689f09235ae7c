/**
 * Delay in milliseconds before attempt number `attempt` (1 is the first repetition): doubled each time up to `most`,
 * and between half of it and all of it, so that clients that failed together do not come back together.
 */
export function backoff(attempt: number, random: () => number, first = 1000, most = 30_000): number {
  return Math.round(Math.min(most, first * 2 ** (attempt - 1)) * (0.5 + random() / 2));
}
