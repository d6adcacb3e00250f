/** The panel that opens from the status item: why, since when, keep running, stop now. */

import { choices, explanation, filling, mayKeep, span, untilTime, using } from './texts.js';
import type { Machine } from './machine.js';
import { keep, stop } from './actions.js';

export class Panel {
  private _node: HTMLElement | null = null;
  private _figures: HTMLElement | null = null;

  constructor(
    private readonly _machine: Machine,
    private readonly _button: HTMLButtonElement
  ) {
    _button.setAttribute('aria-haspopup', 'dialog');
    _button.setAttribute('aria-expanded', 'false');
    _button.addEventListener('click', () => (this._node ? this.close() : this._open()));
    _machine.changed.connect(() => this._measure());
  }

  /** Closes it, if it is open. */
  close(): void {
    if (!this._node) {
      return;
    }
    this._node.remove();
    this._node = null;
    this._figures = null;
    this._button.setAttribute('aria-expanded', 'false');
    document.removeEventListener('pointerdown', this._onPointer, true);
    this._button.focus();
  }

  private _open(): void {
    const { status, now } = this._machine;
    if (!status) {
      return;
    }
    const node = element('div', 'cloudjhub-panel');
    node.setAttribute('role', 'dialog');
    node.setAttribute('aria-label', 'Your machine');
    node.tabIndex = -1;
    node.append(element('h2', '', 'Your machine'));
    node.append(...explanation(status, now).map(text => element('p', '', text)));
    node.append(...(status.budget ? [element('p', 'cloudjhub-full', status.budget.message)] : []));
    node.append(...(status.home ? filling(status.home) : []).map(text => element('p', 'cloudjhub-full', text)));
    this._figures = element('dl', 'cloudjhub-usage');
    this._measure();
    node.append(this._figures);
    if (mayKeep(status)) {
      node.append(this._keeping(status.keepLimit));
    }
    node.append(this._stopping(status.canAsk));
    node.addEventListener('keydown', event => this._onKey(event));
    document.body.append(node);
    place(node, this._button);
    this._node = node;
    this._button.setAttribute('aria-expanded', 'true');
    document.addEventListener('pointerdown', this._onPointer, true);
    (node.querySelector('button') ?? node).focus();
    void this._machine.refresh(); // a person wants to know, and the figures may be a minute old
  }

  /** Shows what of the machine is used, as it was last heard. */
  private _measure(): void {
    const usage = this._machine.status?.usage;
    const shown = usage ? using(usage) : [];
    this._figures?.replaceChildren(...shown.flatMap(([name, text]) => [element('dt', '', name), element('dd', '', text)]));
  }

  private _keeping(limit: number): HTMLElement {
    const group = element('div', 'cloudjhub-group');
    group.setAttribute('role', 'group');
    group.setAttribute('aria-label', 'Keep running');
    group.append(element('span', '', 'Keep running for'));
    for (const hours of choices(limit)) {
      group.append(button(`${hours} h`, () => this._keep(hours * 3600)));
    }
    const time = document.createElement('input');
    time.type = 'time';
    time.setAttribute('aria-label', 'Keep running until');
    group.append(element('span', '', 'or until'), time, button('Keep', () => this._keepUntil(time, limit)));
    group.append(element('p', 'cloudjhub-hint', `At most ${span(limit)} from now.`));
    return group;
  }

  private _keepUntil(time: HTMLInputElement, limit: number): void {
    const seconds = untilTime(time.value, this._machine.now);
    const problem =
      seconds === null ? 'Choose a time.' : seconds > limit ? `Choose a time within ${span(limit)}.` : '';
    time.setCustomValidity(problem);
    if (problem || seconds === null) {
      time.reportValidity();
      return;
    }
    this._keep(seconds);
  }

  private _keep(seconds: number): void {
    this.close();
    void keep(this._machine, seconds);
  }

  private _stopping(canStop: boolean): HTMLElement {
    const group = element('div', 'cloudjhub-group');
    if (canStop) {
      group.append(
        button('Stop now', () => {
          this.close();
          void stop(this._machine);
        })
      );
    }
    group.append(button('Close', () => this.close()));
    return group;
  }

  private _onKey(event: KeyboardEvent): void {
    event.stopPropagation(); // JupyterLab has commands for single keys
    if (event.key === 'Escape') {
      this.close();
    } else if (event.key === 'Tab' && this._node) {
      keepFocusIn(this._node, event);
    }
  }

  private readonly _onPointer = (event: Event): void => {
    const target = event.target as Node;
    if (!this._node?.contains(target) && !this._button.contains(target)) {
      this.close();
    }
  };
}

function keepFocusIn(node: HTMLElement, event: KeyboardEvent): void {
  const reachable = Array.from(node.querySelectorAll<HTMLElement>('button, input'));
  const edge = event.shiftKey ? reachable[0] : reachable[reachable.length - 1];
  if (document.activeElement === edge) {
    event.preventDefault();
    (event.shiftKey ? reachable[reachable.length - 1] : reachable[0])?.focus();
  }
}

/** Beside its button, where there is room, and within the window. */
function place(node: HTMLElement, anchor: HTMLElement): void {
  const at = anchor.getBoundingClientRect();
  const isLow = at.top > window.innerHeight / 2;
  const left = Math.min(at.left, window.innerWidth - node.offsetWidth - 8);
  node.style.left = `${Math.max(8, left)}px`;
  node.style[isLow ? 'bottom' : 'top'] = `${isLow ? window.innerHeight - at.top + 4 : at.bottom + 4}px`;
}

function element(kind: string, name: string, text = ''): HTMLElement {
  const made = document.createElement(kind);
  made.className = name;
  made.textContent = text;
  return made;
}

function button(text: string, act: () => void): HTMLButtonElement {
  const made = element('button', 'cloudjhub-button', text) as HTMLButtonElement;
  made.type = 'button';
  made.addEventListener('click', act);
  return made;
}
