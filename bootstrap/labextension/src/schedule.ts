/** When the page asks its machine, and when it shows a notice. Pure: times are seconds since the epoch. */

import type { Status } from './status.js';

/** At most one request in so many seconds. */
export const EVERY = 60;
/** Notices are shown so many seconds before a stop. */
export const NOTICES = [600, 120];
/** Timers of hidden pages run once a minute: there a notice may come this much earlier or later. */
export const LEAD = 30;
/** A notice is shown only where the machine may be unused for this many times as long. */
const WORTH = 1.25;
/** Seconds: a request takes so long at most, so that a gesture still counts before a stop. */
const MARGIN = 10;

export interface Page {
  now: number;
  isVisible: boolean;
  /** The last request's time; null before the first. */
  asked: number | null;
  /** Was there a gesture since? */
  hasGesture: boolean;
  status: Status | null;
  /** The notices that were shown for this stop, and need not be shown again. */
  shown: readonly number[];
}

/** When to ask next; null for not until something happens. */
export function nextRequest(page: Page): number | null {
  if (page.asked === null) {
    return page.now;
  }
  const soonest = page.asked + EVERY;
  const stop = page.status?.stopsAt ?? null;
  if (page.hasGesture && stop !== null && soonest > stop - MARGIN) {
    return page.now; // the only one before its time: later it would be too late
  }
  if (page.isVisible) {
    return soonest;
  }
  const due = nextNotice(page);
  return due === null ? null : Math.max(soonest, due);
}

/** When the next notice is due, before the machine has confirmed it; null for none. */
export function nextNotice(page: Page): number | null {
  const stop = page.status?.stopsAt ?? null;
  if (page.status === null || stop === null) {
    return null;
  }
  const lead = page.isVisible ? 0 : LEAD;
  const due = NOTICES.filter(before => !page.shown.includes(before) && isWorth(page.status!, before)).map(
    before => stop - before - lead
  );
  return due.length ? Math.min(...due) : null;
}

/** The notice to show now, in seconds before the stop; null for none. Of two the later one. */
export function dueNotice(page: Page): number | null {
  const { status, now } = page;
  if (status === null || status.stopsAt === null || status.stopsAt <= now) {
    return null;
  }
  const left = status.stopsAt - now - (page.isVisible ? 0 : LEAD);
  const reached = NOTICES.filter(before => left <= before && isWorth(status, before));
  const latest = reached.length ? Math.min(...reached) : null;
  return latest === null || page.shown.includes(latest) ? null : latest;
}

/** The notices that remain shown under a new status: those of a stop that was put off are shown again. */
export function stillShown(shown: readonly number[], status: Status): number[] {
  const left = status.stopsAt === null ? Infinity : status.stopsAt - status.now;
  return shown.filter(before => left <= before + EVERY);
}

function isWorth(status: Status, before: number): boolean {
  const since = Math.max(status.startedAt, status.lastUsed ?? 0, status.keepUntil ?? 0);
  // A budget ends also what is used.
  const isHeld = status.keepUntil !== null || status.budget?.ends;
  return status.stopsAt !== null && (isHeld || status.stopsAt - since >= WORTH * before);
}
