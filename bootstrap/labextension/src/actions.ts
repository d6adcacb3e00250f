/** What a user requests of the machine, with the answer shown. */

import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';

import type { Machine } from './machine.js';
import { clock, GONE } from './texts.js';

const SHORT = 5000;

/** Keeps the machine running for so many seconds from now, once it is confirmed. */
export async function keep(machine: Machine, seconds: number): Promise<void> {
  const id = Notification.emit('Keeping your machine running …', 'in-progress', { autoClose: false });
  const outcome = await machine.server.keep(seconds);
  const message = outcome.isDone
    ? `Your machine is kept running until ${clock(outcome.keptUntil ?? machine.now + seconds, machine.now)}.`
    : outcome.message;
  Notification.update({
    id,
    message,
    type: outcome.isDone ? 'success' : 'error',
    autoClose: outcome.isDone ? SHORT : false
  });
  await machine.refresh();
}

/** Stops the machine, once the user has confirmed it. */
export async function stop(machine: Machine): Promise<void> {
  const { button } = await showDialog({
    title: 'Stop your machine now?',
    body: GONE,
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: 'Stop now' })]
  });
  if (!button.accept) {
    return;
  }
  machine.isStoppedHere = true;
  const outcome = await machine.server.stop();
  if (!outcome.isDone) {
    machine.isStoppedHere = false;
    Notification.error(outcome.message, { autoClose: false });
    return;
  }
  Notification.info('Your machine is stopping.', { autoClose: SHORT });
}
