/** Notices before a stop, by JupyterLab's own notifications. */

import { Notification } from '@jupyterlab/apputils';

import { keep } from './actions.js';
import type { Machine } from './machine.js';
import type { Budget } from './status.js';
import { budgetNews, choices, mayKeep, notice } from './texts.js';

/** Shows the machine's notices from now on: a later one replaces the one before, and use of the machine removes it. */
export function showNotices(machine: Machine): void {
  let shown: string | null = null;
  let stop = 0;
  const dismiss = (): void => {
    if (shown !== null) {
      Notification.dismiss(shown);
      shown = null;
    }
  };
  machine.noticed.connect(() => {
    const status = machine.status;
    if (!status) {
      return;
    }
    dismiss();
    stop = status.stopsAt ?? 0;
    const hours = choices(status.keepLimit)[0];
    const actions =
      mayKeep(status) && hours !== undefined
        ? [{ label: `Keep running ${hours} h`, callback: () => void keep(machine, hours * 3600) }]
        : [];
    shown = Notification.emit(notice(status, machine.now), 'warning', { autoClose: false, actions });
  });
  machine.changed.connect(() => {
    const stopsAt = machine.status?.stopsAt ?? null;
    if (stopsAt === null || stopsAt > stop + 30) {
      dismiss();
    }
  });
  showBudget(machine);
}

/** Says that a budget comes to its end, and that it is used up: each once, and gone when it is raised. */
function showBudget(machine: Machine): void {
  let shown: string | null = null;
  let last: Budget | null = null;
  machine.changed.connect(() => {
    const { status, now } = machine;
    if (!status) {
      return;
    }
    const news = budgetNews(last, status, now);
    if (shown !== null && (news !== null || status.budget === null)) {
      Notification.dismiss(shown);
      shown = null;
    }
    if (news !== null) {
      shown = Notification.emit(news, 'warning', { autoClose: false });
    }
    last = status.budget;
  });
}
