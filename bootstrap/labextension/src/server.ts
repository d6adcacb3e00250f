/** The machine's own Jupyter server. Nothing here asks the hub. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import { statusIn, type Status } from './status.js';

/** The result of a request to keep the machine running, or to stop it. */
export interface Outcome {
  isDone: boolean;
  keptUntil: number | null;
  message: string;
}

/** The hub answers in place of a server that does not run: with this status, or by leading to its own address. */
const NO_SERVER = 424;
const MARK = 'cloudjhub_gestures';

export class OwnServer {
  constructor(private readonly _settings: ServerConnection.ISettings) {}

  /** The status; with a gesture, that one is reported too. Null if there is no usable answer. */
  async status(hasGesture: boolean): Promise<Status | null> {
    const response = hasGesture ? await this._send('gesture', {}) : await this._send('status');
    return response?.ok ? statusIn(await json(response)) : null;
  }

  /** Does the hub answer in its place? */
  async isReplaced(): Promise<boolean> {
    try {
      const response = await fetch(this._url('status'), { redirect: 'manual', cache: 'no-store' });
      return response.type === 'opaqueredirect' || response.status === NO_SERVER;
    } catch {
      return false;
    }
  }

  /** Keep it running for so many seconds from now. */
  async keep(seconds: number): Promise<Outcome> {
    const answer = await this._answer('keep', { seconds });
    const until = answer.kept_until;
    return typeof until === 'number' ? { isDone: true, keptUntil: until, message: '' } : refused(answer);
  }

  /** Stop it now. */
  async stop(): Promise<Outcome> {
    const answer = await this._answer('stop', {});
    return answer.stopping === true ? { isDone: true, keptUntil: null, message: '' } : refused(answer);
  }

  private async _answer(name: string, body: object): Promise<Record<string, unknown>> {
    const response = await this._send(name, body);
    const answer = response ? await json(response) : null;
    return typeof answer === 'object' && answer !== null ? (answer as Record<string, unknown>) : {};
  }

  /** Null if the server cannot be reached. */
  private async _send(name: string, body?: object): Promise<Response | null> {
    const init = body ? { method: 'POST', body: JSON.stringify(body) } : { method: 'GET' };
    try {
      return await ServerConnection.makeRequest(this._url(name), init, this._settings);
    } catch {
      return null;
    }
  }

  private _url(name: string): string {
    return URLExt.join(this._settings.baseUrl, 'cloudjhub', name);
  }
}

async function json(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    return null;
  }
}

function refused(answer: Record<string, unknown>): Outcome {
  const message = typeof answer.message === 'string' ? answer.message : '';
  return {
    isDone: false,
    keptUntil: null,
    message: message || 'Your machine does not answer at the moment. Try again in a minute.'
  };
}

/** From now on, the sockets of kernels say that this page reports gestures, so that its widgets are taken for no person. */
export function markSockets(settings: ServerConnection.ISettings): void {
  const Original = settings.WebSocket;
  class Marked extends Original {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(marked(String(url)), protocols);
    }
  }
  (settings as { WebSocket: typeof WebSocket }).WebSocket = Marked;
}

/** The address of a socket, with the mark if it is a kernel's. */
export function marked(url: string): string {
  return /\/api\/kernels\/[^/?]+\/channels\?/.test(url) ? `${url}&${MARK}=1` : url;
}
