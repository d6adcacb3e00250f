/** The status item: a button with the machine's state, in the status bar or, in Notebook 7, in the top bar. */

import { Widget } from '@lumino/widgets';

import type { Machine } from './machine.js';
import { Panel } from './panel.js';
import { label } from './texts.js';

export class StatusItem extends Widget {
  private readonly _button = document.createElement('button');

  constructor(private readonly _machine: Machine) {
    super();
    this.id = 'cloudjhub-status';
    this.addClass('cloudjhub-item');
    this._button.type = 'button';
    this._button.className = 'cloudjhub-status';
    // No live region: what changes each minute would interrupt a screen reader without end. Notices are read aloud.
    this.node.append(this._button);
    const panel = new Panel(_machine, this._button);
    this.disposed.connect(() => panel.close());
    _machine.changed.connect(() => this._show());
    this._show();
  }

  private _show(): void {
    const { status, now } = this._machine;
    this.node.hidden = status === null;
    if (!status) {
      return;
    }
    const text = label(status, now);
    if (this._button.textContent !== text) {
      this._button.textContent = text;
      this._button.title = `${text}: why, keep running, stop`;
    }
    const isSoon = status.stopsAt !== null && status.stopsAt - now <= 600 && (!status.keptBy || status.budget?.ends);
    this._button.classList.toggle('cloudjhub-soon', Boolean(isSoon));
  }
}
