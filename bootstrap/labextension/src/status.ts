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
  /** The home directory, once it is filling; null before. */
  home: Home | null;
}

export interface Home {
  /** How much of it is used, from 0 to 1. */
  share: number;
  /** Bytes that are left. */
  free: number;
  /** What takes most space, largest first. */
  large: { name: string; bytes: number }[];
}

const LONGEST_TEXT = 200;
const MOST_LARGE = 5;

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
    canKeep: given.can_keep === true,
    home: home(given.home)
  };
}

function record(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
}

function time(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;
}

function home(value: unknown): Home | null {
  const given = record(value);
  const share = time(given?.share);
  if (!given || share === null) {
    return null;
  }
  const listed = Array.isArray(given.large) ? given.large.slice(0, MOST_LARGE) : [];
  const large = listed.flatMap(one => {
    const { name, bytes } = record(one) ?? {};
    const size = time(bytes);
    return typeof name === 'string' && size !== null ? [{ name: name.slice(0, LONGEST_TEXT), bytes: size }] : [];
  });
  return { share: Math.min(1, share), free: time(given.free) ?? 0, large };
}

function reason(value: unknown): Status['keptBy'] {
  const given = record(value);
  if (typeof given?.code !== 'string') {
    return null;
  }
  const what = record(given.values)?.what;
  return { code: given.code, what: typeof what === 'string' ? what.slice(0, LONGEST_TEXT) : '' };
}
