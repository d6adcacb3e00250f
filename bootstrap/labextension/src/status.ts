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
  /** Whether its server can ask the hub to keep it running, or to stop it. */
  canAsk: boolean;
  /** The home directory, once it is filling; null before. */
  home: Home | null;
  /** What of the machine is used; null from a machine that does not say. */
  usage: Usage | null;
  /** A budget of the month of which most is used; null before, and without one. */
  budget: Budget | null;
}

export interface Budget {
  /** What the hub says of it. */
  message: string;
  /** Is it used up? */
  isOver: boolean;
  /** Is it why the machine stops, at `stopsAt`, used or not? */
  ends: boolean;
}

/** Bytes. */
export interface Part {
  used: number;
  total: number;
}

export interface Usage {
  /** The share of all cores, from 0 to 1. */
  cpu: number;
  cores: number;
  memory: Part;
  /** The disk with the home directory; null where it cannot be asked. */
  home: Part | null;
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
const LONGEST_MESSAGE = 400;
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
    canAsk: given.can_ask === true,
    home: home(given.home),
    usage: usage(given.usage),
    budget: budget(given.budget)
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

function usage(value: unknown): Usage | null {
  const given = record(value);
  const cpu = time(given?.cpu);
  const cores = time(given?.cores);
  const memory = part(given?.memory);
  if (!given || cpu === null || !cores || memory === null) {
    return null;
  }
  return { cpu: Math.min(1, cpu), cores, memory, home: part(given.home) };
}

function budget(value: unknown): Budget | null {
  const given = record(value);
  if (typeof given?.message !== 'string') {
    return null;
  }
  const { message, is_over, ends } = given;
  return { message: message.slice(0, LONGEST_MESSAGE), isOver: is_over === true, ends: ends === true };
}

function part(value: unknown): Part | null {
  const given = record(value);
  const used = time(given?.used);
  const total = time(given?.total);
  return used === null || !total ? null : { used: Math.min(used, total), total };
}

function reason(value: unknown): Status['keptBy'] {
  const given = record(value);
  if (typeof given?.code !== 'string') {
    return null;
  }
  const what = record(given.values)?.what;
  return { code: given.code, what: typeof what === 'string' ? what.slice(0, LONGEST_TEXT) : '' };
}
