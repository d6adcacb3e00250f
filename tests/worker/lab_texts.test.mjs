// The decisions of our extension of JupyterLab: what it says, when it asks, what is a gesture. Run by test_lab.py.

import assert from 'node:assert/strict';
import { test } from 'node:test';

process.env.TZ = 'Europe/Vienna';
const lib = '../../bootstrap/labextension/lib';
const texts = await import(`${lib}/texts.js`);
const { statusIn } = await import(`${lib}/status.js`);
const schedule = await import(`${lib}/schedule.js`);
const { Gestures } = await import(`${lib}/gestures.js`);

const NOW = Date.UTC(2026, 10, 30, 13, 0) / 1000; // 14:00 in Vienna
const MINUTE = 60;
const HOUR = 3600;
const status = changes => ({
  now: NOW,
  startedAt: NOW - 5 * HOUR,
  lastUsed: NOW - 18 * MINUTE,
  stopsAt: NOW + 42 * MINUTE,
  keptBy: null,
  keepUntil: null,
  keepLimit: 4 * HOUR,
  canAsk: true,
  home: null,
  usage: null,
  budget: null,
  ...changes
});
const plain = text => text.replace(/\s/gu, ' ').replace('2:42 PM', '14:42').replace('6:00 PM', '18:00');

test('an answer is read, and what cannot be used of it is left out', () => {
  const given = {
    now: NOW,
    started_at: NOW - 5 * HOUR,
    last_used: NOW - 18 * MINUTE,
    stops_at: NOW + 42 * MINUTE,
    kept_by: null,
    keep_until: null,
    keep_limit: 4 * HOUR,
    can_ask: true
  };
  assert.deepEqual(statusIn(given), status());
  for (const odd of [null, 7, 'text', [], {}, { now: 'x' }, { now: -1 }, { now: NaN }]) {
    assert.equal(statusIn(odd), null);
  }
  const poor = statusIn({ now: NOW, stops_at: 'x', kept_by: { code: 1 }, can_ask: 'yes', keep_limit: -1 });
  assert.deepEqual([poor.stopsAt, poor.keptBy, poor.canAsk, poor.keepLimit], [null, null, false, 0]);
  assert.equal(statusIn({ now: NOW, kept_by: { code: 'busy', values: { what: 'x'.repeat(999) } } }).keptBy.what.length, 200);
});

test('what of the machine is used is read and said, and in the status item only where memory runs short', () => {
  const usage = { cpu: 0.354, cores: 2, memory: { used: 1.29e9, total: 8e9 }, home: { used: 400e6, total: 2.04e9 } };
  assert.deepEqual(statusIn({ now: NOW, usage }).usage, usage);
  assert.deepEqual(texts.using(usage), [
    ['CPU', '35 % of 2 cores'],
    ['Memory', '16 %: 1.2 GB of 8.0 GB'],
    ['Home', '19 %: 400 MB of 2.0 GB']
  ]);
  assert.deepEqual(texts.using({ ...usage, cores: 1, home: null }).map(([name]) => name), ['CPU', 'Memory']);
  const short = used => texts.label(status({ usage: { ...usage, memory: { used, total: 100 } } }), NOW);
  assert.equal(short(89), 'Stops in 42 min');
  assert.equal(short(90), 'Stops in 42 min · memory 90 % used');
  const full = { used: 9, total: 4 };
  const odd = statusIn({ now: NOW, usage: { ...usage, cpu: 7, memory: full, home: { used: 1, total: 0 } } }).usage;
  assert.deepEqual([odd.cpu, odd.memory, odd.home], [1, { used: 4, total: 4 }, null]);
  for (const given of [null, 7, {}, { cpu: 'x' }, { cpu: 1, cores: 0, memory: full }, { cpu: 1, cores: 2 }]) {
    assert.equal(statusIn({ now: NOW, usage: given }).usage, null);
  }
});

test('a home that fills is read and said, with what is large', () => {
  const large = [{ name: 'data', bytes: 1.26e9 }, { name: '.cache', bytes: 340.9e6 }];
  const home = { share: 0.917, free: 180e6, large };
  assert.deepEqual(statusIn({ now: NOW, home }).home, home);
  const said = 'Your home directory is 91 % full, 180 MB left. Delete what you do not need.';
  assert.deepEqual(texts.filling(home), [said, 'Largest: data (1.2 GB), .cache (340 MB).']);
  assert.equal(texts.filling({ share: 1, free: 0, large: [] })[0].slice(0, 54), 'Your home directory is 100 % full, less than 1 MB left');
  assert.equal(texts.label(status({ home }), NOW), 'Stops in 42 min · home 91 % full');
  for (const odd of [null, 7, [], {}, { share: 'x' }, { share: -1 }]) {
    assert.equal(statusIn({ now: NOW, home: odd }).home, null);
  }
  const poor = statusIn({ now: NOW, home: { share: 7, large: [{}, { name: 'a' }, { name: 'x'.repeat(999), bytes: 1 }, null] } }).home;
  assert.deepEqual([poor.share, poor.free, poor.large.length, poor.large[0].name.length], [1, 0, 1, 200]);
  assert.deepEqual(statusIn({ now: NOW, home: { share: 0.9, large: 'x' } }).home.large, []);
});

test('a duration is never said to be longer than it is', () => {
  const said = [0, 59, 60, 119, 42 * 60 + 59, 3599, 3600, 7500, 47 * HOUR, 48 * HOUR, 80 * HOUR].map(texts.span);
  const soon = 'less than a minute';
  assert.deepEqual(said, [soon, soon, '1 min', '1 min', '42 min', '59 min', '1 h', '2 h 5 min', '47 h', '2 days', '3 days']);
});

test('the item says when the machine stops, or what keeps it on', () => {
  const said = changes => plain(texts.label(status(changes), NOW));
  assert.equal(said({}), 'Stops in 42 min');
  assert.equal(said({ stopsAt: NOW }), 'Stops now unless you use it');
  assert.equal(said({ stopsAt: null }), 'Machine is on');
  assert.equal(said({ keptBy: { code: 'starting', what: '' } }), 'Stops in 42 min');
  assert.equal(said({ keptBy: { code: 'busy', what: 'train.ipynb is running' } }), 'Kept on: train.ipynb is running');
  assert.equal(said({ keptBy: { code: 'kept', what: '' }, keepUntil: NOW + 4 * HOUR }), 'Kept until 18:00');
});

test('a notice says how to keep the machine on', () => {
  const soon = changes => texts.notice(status({ stopsAt: NOW + 595, lastUsed: NOW - 50 * MINUTE, ...changes }), NOW);
  assert.equal(soon({}), 'Your machine stops in 10 min. It was last used 50 min ago. Use it, or keep it running.');
  assert.equal(soon({ canAsk: false }), 'Your machine stops in 10 min. It was last used 50 min ago. Use it to keep it on.');
  assert.equal(soon({ keptBy: { code: 'kept', what: '' } }), 'Your machine stops in 10 min. Use it, or keep it running.');
});

const MESSAGE = "This month's budget of the group staff is used up.";
const over = { message: MESSAGE, isOver: true, ends: true };

test('a budget is read, said once when it comes to its end and once when it is used up, and in the panel', () => {
  const near = statusIn({ now: NOW, budget: { message: 'x'.repeat(999), is_over: 1 } }).budget;
  assert.deepEqual([near.message.length, near.isOver, near.ends], [400, false, false]);
  assert.deepEqual(statusIn({ now: NOW, budget: { message: MESSAGE, is_over: true, ends: true } }).budget, over);
  for (const odd of [null, 7, {}, { message: 7 }]) {
    assert.equal(statusIn({ now: NOW, budget: odd }).budget, null);
  }
  const news = (last, budget) => texts.budgetNews(last, status({ budget, stopsAt: NOW + 25 * MINUTE }), NOW);
  assert.equal(news(null, null), null);
  assert.equal(news(null, near), near.message);
  assert.equal(news(near, near), null);
  assert.equal(news(near, over), `Your machine stops in 25 min. ${MESSAGE} Save your work.`);
  assert.equal(news(null, { ...over, ends: false }), `${MESSAGE} Save your work.`);
  assert.equal(news(over, { ...over, ends: false }), null);
});

test('a stop for a budget is announced although the machine is used, without the advice to use it', () => {
  const used = changes => status({ budget: over, lastUsed: NOW, stopsAt: NOW + 9 * MINUTE, ...changes });
  assert.equal(texts.label(used(), NOW), 'Budget used up: stops in 9 min');
  assert.equal(texts.label(used({ stopsAt: NOW, keptBy: { code: 'kept', what: '' } }), NOW), 'Budget used up: stops now');
  assert.equal(plain(texts.explanation(used({ stopsAt: NOW + 42 * MINUTE }), NOW)[1]), 'It stops at 14:42, also while you use it.');
  assert.equal(texts.notice(used(), NOW), `Your machine stops in 9 min. ${MESSAGE} Save your work.`);
  assert.equal(plain(texts.stopped(used(), false, NOW + 9 * MINUTE, NOW)).replace('2:09 PM', '14:09'), `Your machine was stopped at 14:09. ${MESSAGE}`);
  assert.equal(schedule.dueNotice(at({ status: used() })), 600);
  assert.equal(schedule.dueNotice(at({ status: used({ budget: { ...over, ends: false } }) })), null);
  assert.deepEqual([texts.mayKeep(status()), texts.mayKeep(used()), texts.mayKeep(status({ keepLimit: 0 }))], [true, false, false]);
});

test('why it was stopped is said only where this page knows', () => {
  const said = (last, isOwn, at) => plain(texts.stopped(last, isOwn, at, at));
  const due = NOW + 42 * MINUTE;
  assert.equal(
    said(status(), false, due + MINUTE).replace('1:42 PM', '13:42'),
    'Your machine was stopped at 14:42: not used for 1 h (last used at 13:42).'
  );
  assert.equal(said(status(), false, NOW), 'Your machine was stopped.');
  assert.equal(said(null, false, NOW), 'Your machine was stopped.');
  assert.equal(said(status(), true, due), 'You stopped your machine at 14:42.');
  const kept = status({ keptBy: { code: 'busy', what: 'a.py' } });
  assert.equal(said(kept, false, due), 'Your machine was stopped at 14:42.');
});

test('a time of day is the next one, and a limit bounds the choices', () => {
  assert.equal(texts.untilTime('18:00', NOW), 4 * HOUR);
  assert.equal(texts.untilTime('14:00', NOW), 24 * HOUR);
  assert.equal(texts.untilTime('13:59', NOW), 24 * HOUR - MINUTE);
  for (const odd of ['', 'x', '24:00', '10:60', '1000']) {
    assert.equal(texts.untilTime(odd, NOW), null);
  }
  assert.deepEqual(texts.choices(4 * HOUR), [1, 2, 4]);
  assert.deepEqual(texts.choices(2 * HOUR - 1), [1]);
  assert.deepEqual(texts.choices(0), []);
});

const at = changes => ({ now: NOW, isVisible: true, asked: NOW, hasGesture: false, status: status(), shown: [], ...changes });

test('a visible page asks once a minute, a hidden one only before a notice', () => {
  assert.equal(schedule.nextRequest(at({ asked: null })), NOW);
  assert.equal(schedule.nextRequest(at({})), NOW + 60);
  assert.equal(schedule.nextRequest(at({ hasGesture: true })), NOW + 60);
  assert.equal(schedule.nextRequest(at({ isVisible: false })), NOW + 32 * MINUTE - schedule.LEAD);
  assert.equal(schedule.nextRequest(at({ isVisible: false, shown: [600] })), NOW + 40 * MINUTE - schedule.LEAD);
  assert.equal(schedule.nextRequest(at({ isVisible: false, shown: [600, 120] })), null);
  assert.equal(schedule.nextRequest(at({ isVisible: false, status: null })), null);
});

test('a gesture that would come too late is reported at once', () => {
  const left = seconds => status({ stopsAt: NOW + seconds });
  assert.equal(schedule.nextRequest(at({ hasGesture: true, status: left(65) })), NOW);
  assert.equal(schedule.nextRequest(at({ hasGesture: true, status: left(71) })), NOW + 60);
  assert.equal(schedule.nextRequest(at({ hasGesture: false, status: left(65) })), NOW + 60);
});

test('notices come ten and two minutes before a stop, once each', () => {
  const due = (left, changes = {}) => schedule.dueNotice(at({ status: status({ stopsAt: NOW + left }), ...changes }));
  assert.equal(due(601), null);
  assert.equal(due(600), 600);
  assert.equal(due(600, { shown: [600] }), null);
  assert.equal(due(120, { shown: [600] }), 120);
  assert.equal(due(119), 120);
  assert.equal(due(0), null);
  assert.equal(due(630, { isVisible: false }), 600);
  assert.equal(due(631, { isVisible: false }), null);
});

test('a machine that stops after a few minutes anyway announces none of them', () => {
  const just = (timeout, left) => {
    const used = NOW + left - timeout;
    return schedule.dueNotice(at({ status: status({ lastUsed: used, startedAt: used, stopsAt: NOW + left }) }));
  };
  assert.equal(just(180, 175), null);
  assert.equal(just(180, 120), 120);
  assert.equal(just(900, 600), 600);
});

test('of five hundred stops each is announced between 9:25 and 10:35 minutes before it', () => {
  for (let run = 0; run < 500; run++) {
    const timeout = 900 + run * 60;
    const wakes = run % 2 ? 60 : 5; // timers of hidden pages run once a minute
    let page = at({ isVisible: wakes === 5, asked: NOW - (run % 60), status: status({ lastUsed: NOW, stopsAt: NOW + timeout }) });
    let shown = null;
    for (let now = NOW + (run % wakes); now < NOW + timeout && shown === null; now += wakes) {
      page = { ...page, now };
      const ask = schedule.nextRequest(page);
      if (ask !== null && ask <= now) {
        page = { ...page, asked: now, status: { ...page.status, now } };
      }
      shown = schedule.dueNotice(page) === 600 ? now : null;
    }
    const before = NOW + timeout - shown;
    assert.ok(shown !== null && before >= 565 && before <= 635, `${timeout} s, every ${wakes} s: ${before}`);
  }
});

test('a stop that was put off is announced again', () => {
  assert.deepEqual(schedule.stillShown([600, 120], status({ stopsAt: NOW + HOUR })), []);
  assert.deepEqual(schedule.stillShown([600, 120], status({ stopsAt: NOW + 500 })), [600]);
  assert.deepEqual(schedule.stillShown([600], status({ stopsAt: null })), []);
});

test('keys, clicks and moves are gestures; what a script, a hidden page or a resting hand makes is none', () => {
  const gestures = new Gestures();
  const event = (type, changes = {}) => ({ type, isTrusted: true, ...changes });
  for (const type of ['keydown', 'pointerdown', 'wheel', 'touchmove']) {
    assert.equal(gestures.isGesture(event(type), true), true);
    assert.equal(gestures.isGesture(event(type), false), false);
    assert.equal(gestures.isGesture(event(type, { isTrusted: false }), true), false);
  }
  const move = (screenX, screenY) => gestures.isGesture(event('pointermove', { screenX, screenY }), true);
  assert.deepEqual([move(100, 100), move(100, 100), move(102, 102), move(103, 102), move(104, 103)], [false, false, false, true, false]);
});
