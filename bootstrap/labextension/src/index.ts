/** cloudJHub in JupyterLab and Notebook 7: see docs/decisions/0060-what-jupyterlab-says-and-reports.md. */

import { IConnectionLost, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { PageConfig } from '@jupyterlab/coreutils';
import { IStatusBar } from '@jupyterlab/statusbar';
import { Token } from '@lumino/coreutils';

import { whenLost } from './connection.js';
import { watch } from './gestures.js';
import { StatusItem } from './item.js';
import { Machine } from './machine.js';
import { showNotices } from './notices.js';
import { markSockets, OwnServer } from './server.js';

const IMachine = new Token<Machine>('cloudjhub:IMachine', 'What this page knows of its machine.');

const presence: JupyterFrontEndPlugin<Machine> = {
  id: 'cloudjhub:presence',
  description: 'Sees gestures, which are reported with the next question to the machine.',
  autoStart: true,
  provides: IMachine,
  activate: (app: JupyterFrontEnd) => {
    const settings = app.serviceManager.serverSettings;
    const machine = new Machine(new OwnServer(settings));
    markSockets(settings);
    watch(document, () => machine.gesture());
    return machine;
  }
};

const status: JupyterFrontEndPlugin<void> = {
  id: 'cloudjhub:status',
  description: 'Shows when the machine stops and why, and notices before that.',
  autoStart: true,
  requires: [IMachine],
  optional: [IStatusBar],
  activate: (app: JupyterFrontEnd, machine: Machine, bar: IStatusBar | null) => {
    const item = new StatusItem(machine);
    if (bar) {
      bar.registerStatusItem('cloudjhub:status', { item, align: 'right', rank: 1000 });
    } else {
      app.shell.add(item, 'top', { rank: 900 });
    }
    showNotices(machine);
    machine.start(); // not before: what it notices must have someone to show it
  }
};

const connection: JupyterFrontEndPlugin<IConnectionLost> = {
  id: 'cloudjhub:connection',
  description: 'Says that the machine was stopped, and starts it again in the same tab.',
  autoStart: true,
  requires: [IMachine],
  provides: IConnectionLost,
  activate: (_app: JupyterFrontEnd, machine: Machine) => whenLost(machine)
};

export default PageConfig.getOption('hubPrefix') ? [presence, status, connection] : [presence, status];
