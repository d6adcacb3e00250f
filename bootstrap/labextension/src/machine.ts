/** What the page knows of its machine: asks when it is time to, and says when something has changed. */

import { Signal, type ISignal } from '@lumino/signaling';

import { dueNotice, nextNotice, nextRequest, stillShown, type Page } from './schedule.js';
import type { OwnServer } from './server.js';
import type { Status } from './status.js';

const TICK = 5;

export class Machine {
  /** The last status; null before the first, or from a server that gives none. */
  status: Status | null = null;
  /** Was it stopped from this page? */
  isStoppedHere = false;
  private _asked: number | null = null;
  private _isAsking = false;
  private _hasGesture = false;
  private _shown: readonly number[] = [];
  private _ahead = 0;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _noticed = new Signal<this, number>(this);

  constructor(readonly server: OwnServer) {}

  /** The status or the time has changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** A notice is due, so many seconds before the stop. */
  get noticed(): ISignal<this, number> {
    return this._noticed;
  }

  /** The time by the machine's clock: the browser's may be wrong. */
  get now(): number {
    return Date.now() / 1000 + this._ahead;
  }

  /** Begins to ask. */
  start(): void {
    setInterval(() => void this._tick(), TICK * 1000);
    document.addEventListener('visibilitychange', () => void this._tick());
    void this._tick();
  }

  /** A person made a gesture in this page. */
  gesture(): void {
    this._hasGesture = true;
  }

  /** What a user has requested changes the status: ask again. */
  async refresh(): Promise<void> {
    await this._ask();
  }

  private get _page(): Page {
    return {
      now: this.now,
      isVisible: document.visibilityState === 'visible',
      asked: this._asked,
      hasGesture: this._hasGesture,
      status: this.status,
      shown: this._shown
    };
  }

  private async _tick(): Promise<void> {
    const due = nextRequest(this._page);
    if (due !== null && due <= this.now && !this._isAsking) {
      await this._ask();
    }
    this._notice();
    this._changed.emit();
  }

  private async _ask(): Promise<void> {
    const hadGesture = this._hasGesture;
    this._isAsking = true;
    this._asked = this.now;
    this._hasGesture = false;
    const status = await this.server.status(hadGesture);
    this._isAsking = false;
    if (status === null) {
      this._hasGesture ||= hadGesture; // it was not reported
      return;
    }
    const asked = this._asked - this.now;
    this._ahead = status.now - Date.now() / 1000;
    this._asked = this.now + asked;
    this.status = status;
    this._shown = stillShown(this._shown, status);
    this._changed.emit();
  }

  private _notice(): void {
    const page = this._page;
    const due = dueNotice(page);
    if (due !== null && nextNotice(page) !== null) {
      this._shown = [...this._shown, due];
      this._noticed.emit(due);
    }
  }
}
