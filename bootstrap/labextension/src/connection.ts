/** What is shown when the machine cannot be reached: that it was stopped and why, and how to start it in this tab. */

import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import { PageConfig, URLExt } from '@jupyterlab/coreutils';
import type { IConnectionLost } from '@jupyterlab/application';

import type { Machine } from './machine.js';
import { GONE, stopped } from './texts.js';

/** Milliseconds until the second question, and for which a page that cannot reach its machine says so. */
const AGAIN = 5000;

/** How the page reacts to a lost connection. */
export function whenLost(machine: Machine): IConnectionLost {
  let isShown = false;
  return async () => {
    if (isShown) {
      return;
    }
    isShown = true;
    try {
      await explain(machine);
    } finally {
      isShown = false;
    }
  };
}

async function explain(machine: Machine): Promise<void> {
  if (!(await isReplaced(machine))) {
    Notification.warning('Your machine cannot be reached at the moment. This page goes on trying.', { autoClose: AGAIN });
    return;
  }
  const now = machine.now;
  const { button } = await showDialog({
    title: 'Your machine was stopped',
    body: `${stopped(machine.status, machine.isStoppedHere, now, now)} ${GONE}`,
    buttons: [Dialog.cancelButton({ label: 'Not now' }), Dialog.okButton({ label: 'Start again' })]
  });
  if (button.accept) {
    window.location.assign(startUrl(window.location));
  }
}

/** Does the hub answer in the machine's place, twice? A proxy that restarts does not know the machine for a moment. */
async function isReplaced(machine: Machine): Promise<boolean> {
  if (!(await machine.server.isReplaced())) {
    return false;
  }
  await new Promise(resolve => setTimeout(resolve, AGAIN));
  return machine.server.isReplaced();
}

/** The hub's page that starts this server and then returns to what this tab shows now. */
function startUrl(here: Location): string {
  const user = PageConfig.getOption('hubUser');
  const server = PageConfig.getOption('hubServerName');
  const path = URLExt.join(PageConfig.getOption('hubPrefix') || '/hub/', 'spawn', user, server);
  const next = encodeURIComponent(here.pathname + here.search + here.hash);
  return `${PageConfig.getOption('hubHost')}${path}?next=${next}`;
}
