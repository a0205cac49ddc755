// How the page behaves when sessions end, resume and flood. The other end of the socket is scripted here, because
// a real daemon closes with these codes, or replaces its log, only under conditions the other tiers set up.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { chip, launch, openConsole, rows, rowWith, subscribe, url } from './support.mjs';

const limit = { timeout: 60000 };
let browser;

before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

const welcome = (more) => ({
  type: 'welcome', session: 's1', epoch: 'e1', head: 100, auth: 'none', ping_interval: 25, max_frame: 65536, server: 'pgherald/0', ...more,
});

const message = (channel, seq, data) => `{"type":"message","channel":${JSON.stringify(channel)},"seq":${seq},"id":"00000000-0000-4000-8000-${
  String(seq).padStart(12, '0')}","data":${data},"created_at":"2026-01-02T03:04:05.678901+00:00"}`;

// A daemon by script: answer(frame, session) may return the answer's fields; other requests get a plain ok.
class Script {
  constructor(answer = () => ({}), hello = {}) {
    this.sessions = [];
    this.watchers = [];
    this.before = (page) => page.routeWebSocket('**/ws', (ws) => {
      const session = { ws, frames: [] };
      session.send = (frame) => ws.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
      this.sessions.push(session);
      ws.onMessage((text) => {
        const frame = JSON.parse(text);
        frame.text = text;
        session.frames.push(frame);
        const reply = answer(frame, session, this.sessions.length);
        if (reply) session.send({ type: 'ok', ref: frame.ref, ...reply });
        this.watchers.forEach((w) => w());
      });
      session.send(welcome(hello));
      this.watchers.forEach((w) => w());
    });
  }

  // The first frame of this type in the nth session, once it is there. The test's own timeout bounds the wait.
  frame(n, type) {
    return new Promise((resolve) => {
      const look = () => {
        const found = this.sessions[n]?.frames.find((f) => f.type === type);
        if (found) resolve(found);
      };
      this.watchers.push(look);
      look();
    });
  }
}

const subscribed = (frame) => (frame.type === 'subscribe' ? { channel: frame.channel, head: 100 } : {});

test('after a restart the page asks for what follows its last seq', limit, async (t) => {
  const script = new Script(subscribed);
  const page = await openConsole(browser, t, { before: script.before });
  await subscribe(page, 'sports');
  assert.equal((await script.frame(0, 'subscribe')).after, undefined);
  script.sessions[0].send(message('sports', 107, '{"n":1}'));
  await rows(page).first().waitFor();

  await script.sessions[0].ws.close({ code: 1012, reason: 'drain' });
  const again = await script.frame(1, 'subscribe');
  assert.equal(again.after, 107);
  assert.equal(again.epoch, 'e1');
  script.sessions[1].send(message('sports', 109, '{"n":2}'));
  await rowWith(page, '{"n":2}').waitFor();
  assert.equal(await rows(page).count(), 2);
});

test('a page that received nothing resumes at the head of its first answer', limit, async (t) => {
  const script = new Script(subscribed);
  const page = await openConsole(browser, t, { before: script.before });
  await subscribe(page, 'quiet');
  await script.sessions[0].ws.close({ code: 1001 });
  assert.equal((await script.frame(1, 'subscribe')).after, 100);
});

test('a reset is shown, and the page goes on from the head it names', limit, async (t) => {
  const script = new Script(subscribed);
  const page = await openConsole(browser, t, { before: script.before });
  await subscribe(page, 'sports');
  script.sessions[0].send(message('sports', 107, '1'));
  script.sessions[0].send({ type: 'reset', channel: 'sports', reason: 'trimmed', oldest: 190, head: 231 });
  const notice = page.locator('.notice-warn');
  await notice.waitFor();
  const text = await notice.textContent();
  for (const part of ['sports', '107', '190', '231', 'retention']) assert.ok(text.includes(part), `${part} in: ${text}`);

  await script.sessions[0].ws.close({ code: 1012 });
  assert.equal((await script.frame(1, 'subscribe')).after, 231);
});

test('a new epoch is shown and told of, and a head that is lower than before is believed', limit, async (t) => {
  const script = new Script(subscribed);
  const page = await openConsole(browser, t, { before: script.before });
  await subscribe(page, 'sports');
  script.sessions[0].send(message('sports', 107, '1'));
  await page.locator('#head').getByText('107', { exact: true }).waitFor();
  script.sessions[0].send({ type: 'epoch', epoch: 'e2' });
  await page.locator('.notice-warn').getByText('The log has a new epoch').waitFor();
  assert.equal(await page.locator('#info-epoch').textContent(), 'e2');
  script.sessions[0].send({ type: 'reset', channel: 'sports', reason: 'epoch', oldest: 0, head: 40 });
  await page.locator('#head').getByText('40', { exact: true }).waitFor();

  await script.sessions[0].ws.close({ code: 1012 });
  const again = await script.frame(1, 'subscribe');
  assert.deepEqual([again.after, again.epoch], [40, 'e2']);
  await page.locator('#head').getByText('100', { exact: true }).waitFor();
});

test('a log that was replaced while the page was away shows in head and epoch', limit, async (t) => {
  const hello = {};
  const script = new Script(subscribed, hello);
  const page = await openConsole(browser, t, { before: script.before });
  await page.locator('#head').getByText('100', { exact: true }).waitFor();
  Object.assign(hello, { epoch: 'e2', head: 7 });
  await script.sessions[0].ws.close({ code: 1012 });
  await page.locator('#head').getByText('7', { exact: true }).waitFor();
  assert.equal(await page.locator('#info-epoch').textContent(), 'e2');
});

test('everything kept asks from the start, and a refusal is shown', limit, async (t) => {
  const script = new Script((frame) => {
    if (frame.type !== 'subscribe') return {};
    if (frame.after === 'start') return { type: 'error', code: 'internal', message: 'no log here', retry: false };
    return subscribed(frame);
  });
  const page = await openConsole(browser, t, { before: script.before });
  await page.getByRole('radio', { name: 'everything kept' }).check();
  await page.locator('#channel').fill('jobs');
  await page.locator('#channel').press('Enter');
  await chip(page, 'jobs').and(page.locator('[data-state="error"]')).waitFor();
  const notice = page.locator('.notice-bad');
  assert.match(await notice.textContent(), /internal: no log here/);
  await notice.getByRole('button', { name: 'Subscribe from now' }).click();
  await chip(page, 'jobs').and(page.locator('[data-state="live"]')).waitFor();
});

test('a publish cut off by a restart is sent again with the same id', limit, async (t) => {
  const script = new Script((frame, session, n) => {
    if (frame.type !== 'publish') return subscribed(frame);
    return n === 1 ? null : { id: frame.id, seq: 140, duplicate: true };
  });
  const page = await openConsole(browser, t, { before: script.before });
  await page.locator('#publish-channel').fill('sports');
  await page.locator('#publish-data').fill('{"n":12345678901234567890.123}');
  await page.locator('#publish-data').press('Control+Enter');
  const first = await script.frame(0, 'publish');
  assert.ok(first.text.includes('"data":{"n":12345678901234567890.123}'));
  await script.sessions[0].ws.close({ code: 1012 });
  const second = await script.frame(1, 'publish');
  assert.equal(second.id, first.id);
  const receipt = page.locator('.receipt[data-state="ok"]');
  await receipt.getByText('duplicate').waitFor();
  assert.equal(await page.locator('.receipt').count(), 1);
});

for (const [code, why] of [[1002, 'WebSocket frame'], [1007, 'UTF-8'], [1009, 'max_frame'], [4400, 'malformed'], [4403, 'allowed_origins']]) {
  test(`close code ${code} is final and says why`, limit, async (t) => {
    const script = new Script(subscribed);
    const page = await openConsole(browser, t, { before: script.before });
    await script.frame(0, 'ping');
    await script.sessions[0].ws.close({ code });
    await page.locator('#state[data-state="closed"]').waitFor();
    const text = await page.locator('#state-why').textContent();
    assert.ok(text.includes(why) && text.includes(String(code)), text);
    assert.equal(script.sessions.length, 1);
    await page.locator('#link-button').click();
    await page.locator('#state[data-state="connected"]').waitFor();
    assert.equal(script.sessions.length, 2);
  });
}

for (const [code, why, atLeastMs] of [[1008, 'no frame came in time', 0], [1013, 'overloaded', 5000]]) {
  test(`close code ${code} makes the page wait and come back`, limit, async (t) => {
    const script = new Script(subscribed);
    const page = await openConsole(browser, t, { before: script.before });
    await script.frame(0, 'ping');
    await script.sessions[0].ws.close({ code });
    await page.locator('#state[data-state="reconnecting"]').waitFor();
    const since = performance.now();
    assert.ok((await page.locator('#state-why').textContent()).includes(`${why} (${code})`));
    await script.frame(1, 'ping');
    // A little of the wait is over when the page is seen to wait.
    assert.ok(performance.now() - since >= atLeastMs - 500, `came back after ${performance.now() - since} ms`);
    await page.locator('#state[data-state="connected"]').waitFor();
  });
}

test('close code 4429 makes the page wait for long', limit, async (t) => {
  const script = new Script(subscribed);
  const page = await openConsole(browser, t, { before: script.before });
  await script.frame(0, 'ping');
  await script.sessions[0].ws.close({ code: 4429 });
  await page.locator('#state[data-state="reconnecting"]').waitFor();
  assert.match(await page.locator('#state-why').textContent(), /^in 3\d s · the rate limit was exceeded for too long \(4429\)$/);
  assert.equal(script.sessions.length, 1);
});

test('a token is kept for the way back, and sent before anything else', limit, async (t) => {
  const script = new Script((frame, session) => {
    if (frame.type === 'auth' && frame.token === 'right') session.known = true;
    else if (frame.type === 'auth') return { type: 'error', code: 'unauthorized', message: 'bad signature', retry: false };
    else if (frame.type === 'subscribe' && !session.known) return { type: 'error', code: 'unauthorized', message: 'a token first', retry: false };
    return subscribed(frame);
  }, { auth: 'required' });
  const page = await openConsole(browser, t, { before: script.before, state: 'waiting' });
  await page.locator('#token').fill('wrong');
  await page.locator('#token').press('Enter');
  await page.locator('#auth-fault').getByText('unauthorized: bad signature').waitFor();
  await page.getByRole('button', { name: 'Subscribe to sports' }).click();
  await chip(page, 'sports').and(page.locator('[data-state="locked"]')).waitFor();
  await page.locator('#token').fill('Bearer right');
  await page.locator('#token').press('Enter');
  await page.locator('#state[data-state="connected"]').waitFor();
  await chip(page, 'sports').and(page.locator('[data-state="live"]')).waitFor();
  assert.equal(await page.locator('#auth').isHidden(), true);

  await script.sessions[0].ws.close({ code: 1012 });
  assert.equal((await script.frame(1, 'subscribe')).after, 100);
  const [first] = script.sessions[1].frames;
  assert.deepEqual([first.type, first.token], ['auth', 'right']);
});

test('a token refused on the way back is asked for again, and not sent a second time', limit, async (t) => {
  const script = new Script((frame, session, n) => {
    if (frame.type === 'auth' && n > 1) return { type: 'error', code: 'unauthorized', message: 'it has expired', retry: false };
    return subscribed(frame);
  }, { auth: 'required' });
  const page = await openConsole(browser, t, { before: script.before, state: 'waiting' });
  await page.locator('#token').fill('short-lived');
  await page.locator('#token').press('Enter');
  await page.locator('#state[data-state="connected"]').waitFor();
  await script.sessions[0].ws.close({ code: 1012 });
  await page.locator('#auth-fault').getByText('it has expired').waitFor();
  await script.frame(1, 'ping');
  await script.sessions[1].ws.close({ code: 1012 });
  await script.frame(2, 'ping');
  assert.equal(script.sessions[2].frames.some((f) => f.type === 'auth'), false);
});

test('channels that the daemon ends are told of in one notice, which goes with the last of them', limit, async (t) => {
  const script = new Script(subscribed);
  const page = await openConsole(browser, t, { before: script.before });
  for (const name of ['a', 'b']) await subscribe(page, name);
  for (const channel of ['a', 'b']) script.sessions[0].send({ type: 'unsubscribed', channel, reason: 'forbidden' });
  await page.locator('.notice').getByText('The daemon ended a, b: reading it is not allowed any more.').waitFor();
  assert.equal(await chip(page, 'a').locator('.chip-state').textContent(), 'ended: forbidden');
  assert.equal(await page.locator('.notice').count(), 1);

  // Pressing the chip asks again from where it stopped: an action, no switch.
  assert.equal(await chip(page, 'a').locator('.chip-main').getAttribute('aria-pressed'), null);
  await chip(page, 'a').locator('.chip-main').click();
  await chip(page, 'a').and(page.locator('[data-state="live"]')).waitFor();
  assert.equal(await chip(page, 'a').locator('.chip-main').getAttribute('aria-pressed'), 'false');
  assert.equal(script.sessions[0].frames.filter((f) => f.type === 'subscribe').at(-1).after, 100);
  await page.locator('.notice').getByText('The daemon ended b:').waitFor();
  await page.getByRole('button', { name: 'Unsubscribe from b' }).click();
  await page.locator('.notice').waitFor({ state: 'detached' });
  assert.equal(script.sessions[0].frames.some((f) => f.type === 'unsubscribe'), false);
});

test('messages that arrive in the thousands are all counted, and 500 rows stay', limit, async (t) => {
  const script = new Script(subscribed);
  const page = await openConsole(browser, t, { before: script.before });
  await subscribe(page, 'flood');
  for (let seq = 101; seq <= 6100; seq++) script.sessions[0].send(message('flood', seq, `{"n":${seq},"note":"one of many"}`));
  await page.locator('#total').getByText('6,000', { exact: true }).waitFor();
  await page.locator('.row[data-seq="6100"]').waitFor();
  // A busy list is kept short; the older rows come back when the stream is quiet.
  await rows(page).nth(499).waitFor();
  const shown = (await rows(page).locator('.row-seq').allTextContents()).map(Number);
  assert.deepEqual(shown, Array.from({ length: 500 }, (_, i) => 6100 - i));
  assert.equal(await page.locator('#shown').textContent(), '500 shown');
  assert.equal(await chip(page, 'flood').locator('.chip-count').textContent(), '6,000');
  script.sessions[0].send(message('flood', 6101, '"one more"'));
  await rowWith(page, 'one more').waitFor();
  assert.equal(await rows(page).count(), 500);
  assert.equal(await page.locator('.notice').count(), 0);
});
