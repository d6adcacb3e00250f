/** What the machine answers about itself, checked. Times are seconds since the epoch. */

export interface Status {
  now: number;
  startedAt: number;
  lastUsed: number | null;
  /** When it stops if all goes on as it does now; null for never, or not known. */
  stopsAt: number | null;
  /** What keeps it on: a code, and what it is about; null where nothing does but its use. */
  keptBy: { code: string; what: string } | null;
  keepUntil: number | null;
  /** For how many seconds from now it may be kept running. */
  keepLimit: number;
  canKeep: boolean;
}

const LONGEST_TEXT = 200;

/** The status in an answer; null if it is none. */
export function statusIn(answer: unknown): Status | null {
  const given = record(answer);
  const now = time(given?.now);
  if (!given || now === null) {
    return null;
  }
  return {
    now,
    startedAt: time(given.started_at) ?? now,
    lastUsed: time(given.last_used),
    stopsAt: time(given.stops_at),
    keptBy: reason(given.kept_by),
    keepUntil: time(given.keep_until),
    keepLimit: time(given.keep_limit) ?? 0,
    canKeep: given.can_keep === true
  };
}

function record(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
}

function time(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;
}

function reason(value: unknown): Status['keptBy'] {
  const given = record(value);
  if (typeof given?.code !== 'string') {
    return null;
  }
  const what = record(given.values)?.what;
  return { code: given.code, what: typeof what === 'string' ? what.slice(0, LONGEST_TEXT) : '' };
}
