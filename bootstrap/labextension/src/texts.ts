/** What a user reads. Pure: the time is an argument, in seconds since the epoch; times are shown in the browser's zone. */

import type { Budget, Home, Part, Status, Usage } from './status.js';

export const GONE = 'Saved files are kept. Variables and running programs are gone.';

/** A duration: "42 min", "2 h 5 min", "3 days". Never longer than it is. */
export function span(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) {
    return 'less than a minute';
  }
  if (minutes < 60) {
    return `${minutes} min`;
  }
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) {
    return `${Math.floor(hours / 24)} days`;
  }
  return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
}

/** A time of day, with its day unless that is today: "18:00", "tomorrow 9:30". */
export function clock(at: number, now: number): string {
  const moment = new Date(at * 1000);
  const time = moment.toLocaleTimeString([], { hour: 'numeric', minute: '2-digit' });
  const days = Math.round((midnight(at) - midnight(now)) / 86400);
  if (days === 0) {
    return time;
  }
  if (days === 1 || days === -1) {
    return `${days > 0 ? 'tomorrow' : 'yesterday'} ${time}`;
  }
  return `${moment.toLocaleDateString([], { weekday: 'short', day: 'numeric', month: 'short' })} ${time}`;
}

function midnight(at: number): number {
  return new Date(at * 1000).setHours(0, 0, 0, 0) / 1000;
}

/** How long ago: "just now", "12 min ago". */
export function ago(at: number, now: number): string {
  return now - at < 60 ? 'just now' : `${span(now - at)} ago`;
}

/** An amount of space: "less than 1 MB", "340 MB", "1.2 GB". */
export function size(bytes: number): string {
  if (bytes < 1e6) {
    return 'less than 1 MB';
  }
  return bytes < 1e9 ? `${Math.floor(bytes / 1e6)} MB` : `${(Math.floor(bytes / 1e8) / 10).toFixed(1)} GB`;
}

/** What is said of a home that fills, as sentences. */
export function filling(home: Home): string[] {
  const percent = Math.floor(home.share * 100);
  const found = [`Your home directory is ${percent} % full, ${size(home.free)} left. Delete what you do not need.`];
  if (home.large.length) {
    found.push(`Largest: ${home.large.map(one => `${one.name} (${size(one.bytes)})`).join(', ')}.`);
  }
  return found;
}

/** From this share of its memory on, the status item says so: a machine without any ends programs. */
const MEMORY_SHORT = 0.9;

/** What of the machine is used: names with figures. */
export function using(usage: Usage): [string, string][] {
  const cores = usage.cores === 1 ? '1 core' : `${usage.cores} cores`;
  const found: [string, string][] = [
    ['CPU', `${Math.round(usage.cpu * 100)} % of ${cores}`],
    ['Memory', share(usage.memory)]
  ];
  return usage.home ? [...found, ['Home', share(usage.home)]] : found;
}

function share({ used, total }: Part): string {
  return `${Math.floor((used / total) * 100)} %: ${size(used)} of ${size(total)}`;
}

/** The status item's text. */
export function label(status: Status, now: number): string {
  const memory = status.usage?.memory;
  const isShort = memory && memory.used >= MEMORY_SHORT * memory.total;
  return [
    machineLabel(status, now),
    ...(isShort ? [`memory ${Math.floor((memory.used / memory.total) * 100)} % used`] : []),
    ...(status.home ? [`home ${Math.floor(status.home.share * 100)} % full`] : [])
  ].join(' · ');
}

function machineLabel(status: Status, now: number): string {
  const kept = status.keptBy;
  if (status.budget?.ends && status.stopsAt !== null) {
    return `Budget used up: stops ${status.stopsAt > now ? `in ${span(status.stopsAt - now)}` : 'now'}`;
  }
  if (kept?.code === 'kept' && status.keepUntil !== null) {
    return `Kept until ${clock(status.keepUntil, now)}`;
  }
  if (kept && kept.what) {
    return `Kept on: ${kept.what}`;
  }
  if (status.stopsAt === null) {
    return 'Machine is on';
  }
  return status.stopsAt > now ? `Stops in ${span(status.stopsAt - now)}` : 'Stops now unless you use it';
}

/** Why, since when, until when: sentences. */
export function explanation(status: Status, now: number): string[] {
  const { keptBy: kept, stopsAt, keepUntil } = status;
  const used = status.lastUsed ?? null;
  const found = [
    used === null
      ? `On since ${clock(status.startedAt, now)}, not used yet.`
      : `On since ${clock(status.startedAt, now)}, last used ${ago(used, now)}.`
  ];
  if (kept?.code === 'kept' && keepUntil !== null) {
    found.push(`It is kept running until ${clock(keepUntil, now)}.`);
  } else if (kept && kept.what) {
    found.push(`Kept on because ${kept.what}.`);
  }
  if (status.budget?.ends && stopsAt !== null) {
    found.push(stopsAt > now ? `It stops at ${clock(stopsAt, now)}, also while you use it.` : 'It stops now.');
  } else if (stopsAt !== null) {
    const unless = kept?.code === 'busy' ? 'even if it still works then, unless you use it' : 'unless you use it';
    found.push(stopsAt > now ? `It stops at ${clock(stopsAt, now)}, ${unless}.` : 'It stops now unless you use it.');
  }
  return found;
}

/** The notice so many seconds before a stop. */
export function notice(status: Status, now: number): string {
  const left = Math.max(0, (status.stopsAt ?? now) - now);
  if (status.budget?.ends) {
    return `Your machine stops in ${span(left + 30)}. ${status.budget.message} Save your work.`;
  }
  const used = status.lastUsed ?? status.startedAt;
  const why = status.keptBy ? '' : ` It was last used ${ago(used, now)}.`;
  const how = mayKeep(status) ? 'Use it, or keep it running.' : 'Use it to keep it on.';
  return `Your machine stops in ${span(left + 30)}.${why} ${how}`;
}

/** Can the user keep it running? Not once a budget is used up: the hub refuses that. */
export function mayKeep(status: Status): boolean {
  return status.canAsk && status.keepLimit > 0 && !status.budget?.isOver;
}

/** What to show of a budget, beside the notices before a stop: once when most of it is used, and once when all is. */
export function budgetNews(last: Budget | null, status: Status, now: number): string | null {
  const { budget, stopsAt } = status;
  if (!budget || last?.isOver === budget.isOver) {
    return null;
  }
  const left = budget.ends && stopsAt !== null ? `Your machine stops in ${span(Math.max(0, stopsAt - now))}. ` : '';
  return `${left}${budget.message}${budget.isOver ? ' Save your work.' : ''}`;
}

/** Why the machine was stopped, as far as this page knows. `at`: when it was found stopped. */
export function stopped(last: Status | null, isOwn: boolean, at: number, now: number): string {
  if (isOwn) {
    return `You stopped your machine at ${clock(at, now)}.`;
  }
  const due = last?.stopsAt ?? null;
  // Only what was due is explained: a person may have stopped it as well.
  if (last === null || due === null || due > at + 30) {
    return 'Your machine was stopped.';
  }
  if (last.budget?.ends) {
    return `Your machine was stopped at ${clock(due, now)}. ${last.budget.message}`;
  }
  const used = last.lastUsed ?? last.startedAt;
  if (last.keptBy === null && last.lastUsed !== null) {
    return `Your machine was stopped at ${clock(due, now)}: not used for ${span(due - used)} (last used at ${clock(used, now)}).`;
  }
  return `Your machine was stopped at ${clock(due, now)}.`;
}

/** For how many seconds it would be kept until a time of day like "18:00", the next one from now; null for no such. */
export function untilTime(text: string, now: number): number | null {
  const found = /^(\d{1,2}):(\d{2})$/.exec(text);
  if (!found || Number(found[1]) > 23 || Number(found[2]) > 59) {
    return null;
  }
  const at = new Date(now * 1000);
  at.setHours(Number(found[1]), Number(found[2]), 0, 0);
  if (at.getTime() / 1000 <= now) {
    at.setDate(at.getDate() + 1);
  }
  return Math.round(at.getTime() / 1000 - now);
}

/** For how long it can be kept by one click, in hours: of 1, 2 and 4 those within the limit, given in seconds. */
export function choices(limit: number): number[] {
  return [1, 2, 4].filter(hours => hours * 3600 <= limit);
}
