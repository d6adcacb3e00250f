/** Sees that a person is there: keys, clicks, moves, scrolling and touches in a visible page. Nothing of them is kept. */

/** Pixels that a pointer must move: what lies still below a hand, or a page that changes below a pointer, is none. */
const FAR = 5;
const KINDS = ['keydown', 'pointerdown', 'pointermove', 'wheel', 'touchmove'] as const;

export interface Seen {
  type: string;
  isTrusted: boolean;
  screenX?: number;
  screenY?: number;
}

/** Decides which events are gestures. */
export class Gestures {
  private _x: number | null = null;
  private _y = 0;

  /** Is it one? Events that a script made are not. */
  isGesture(event: Seen, isVisible: boolean): boolean {
    if (!event.isTrusted || !isVisible) {
      return false;
    }
    if (event.type !== 'pointermove') {
      return true;
    }
    const x = event.screenX ?? 0;
    const y = event.screenY ?? 0;
    const isFirst = this._x === null;
    const isFar = !isFirst && Math.abs(x - this._x!) + Math.abs(y - this._y) >= FAR;
    if (isFirst || isFar) {
      this._x = x;
      this._y = y;
    }
    return isFar;
  }
}

/** Calls back at each gesture in the document. */
export function watch(page: Document, made: () => void): void {
  const gestures = new Gestures();
  for (const kind of KINDS) {
    page.addEventListener(
      kind,
      event => {
        if (gestures.isGesture(event as unknown as Seen, page.visibilityState === 'visible')) {
          made();
        }
      },
      { capture: true, passive: true }
    );
  }
}
