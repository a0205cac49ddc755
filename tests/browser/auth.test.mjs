// The console where tokens decide: signing in, a session that outlives its token, rights that change.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import {
  chip, grants, inState, launch, now, openConsole, publish, rows, rowWith, sql, startDaemon, subscribe, secret, tokenOf,
} from './support.mjs';

const limit = { timeout: 60000 };
let browser;

before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

const onlyTokens = `
[auth]
mode = "token"
secret = "${secret}"
leeway = "0s"
`;

const withOpenChannels = `${onlyTokens}
[[channel]]
pattern = "open.*"
subscribe = "anyone"
publish = "anyone"
`;

async function signIn(page, token) {
  await page.locator('#token').fill(token);
  await page.locator('#token').press('Enter');
}

const chipIn = (page, channel, state) => chip(page, channel).and(page.locator(`[data-state="${state}"]`));
const authFact = (page) => page.locator('#info-auth-text');

// How many sessions the page has opened so far.
function countSessions(page) {
  let opened = 0;
  page.on('websocket', () => { opened++; });
  return () => opened;
}

test('the page asks for a token, says why one is refused, and works with the right one', limit, async (t) => {
  const daemon = await startDaemon(t, onlyTokens);
  const page = await openConsole(browser, t, { at: daemon.url, state: 'waiting' });
  assert.equal(await page.locator('#state-text').textContent(), 'not signed in');
  assert.equal(await authFact(page).textContent(), 'required');
  assert.equal(await page.locator('#token').getAttribute('type'), 'password');
  assert.equal(await page.locator('#token').getAttribute('autocomplete'), 'off');

  const refused = [
    [tokenOf({}, 'another secret of forty characters......'), /unauthorized: .*signature/],
    [tokenOf({ exp: now() - 5 }), /unauthorized: .*expired/],
    ['nonsense', /unauthorized: /],
  ];
  for (const [token, why] of refused) {
    await signIn(page, token);
    await page.locator('#auth-fault').getByText(why).waitFor();
    await inState(page, 'waiting').waitFor();
  }

  const mine = `chat.${randomUUID()}`;
  const token = tokenOf({ sub: 'ann', ...grants(['chat.*']) });
  await signIn(page, token);
  await inState(page, 'connected').waitFor();
  await page.locator('#auth').waitFor({ state: 'hidden' });
  assert.equal(await authFact(page).textContent(), 'signed in');

  await subscribe(page, mine);
  await publish(page, mine, '{"text":"hello"}');
  await page.locator('.receipt[data-state="ok"]').waitFor();
  await rowWith(page, 'hello').locator('.row-head').click();
  const facts = await rowWith(page, 'hello').locator('.detail-facts').innerText();
  assert.match(facts, /sender\s+ann/);
  assert.equal(await sql(`select sender from queue.message where channel = :'mine'`, { mine }), 'ann');

  await publish(page, 'elsewhere', '1');
  await page.locator('.receipt-code').getByText('forbidden').waitFor();
  await page.locator('#channel').fill('elsewhere');
  await page.locator('#channel').press('Enter');
  await chipIn(page, 'elsewhere', 'error').waitFor();

  // A row without a sender has no such line.
  await page.locator('#clear').click();
  await sql(`insert into queue.message (channel, data) values (:'mine', '"from SQL"')`, { mine });
  await rowWith(page, 'from SQL').locator('.row-head').click();
  assert.doesNotMatch(await rowWith(page, 'from SQL').locator('.detail-facts').innerText(), /sender/);

  // The token is in memory and nowhere else.
  const seen = await page.evaluate(() => [
    document.documentElement.outerHTML, location.href, document.cookie, JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage }),
    ...Array.from(document.querySelectorAll('input, textarea'), (field) => field.value), JSON.stringify(history.state),
  ].join('\n'));
  assert.ok(!seen.includes(token) && !seen.includes(token.split('.')[2]));
  assert.ok(!daemon.log().includes(token.split('.')[2]));
  await page.reload();
  await inState(page, 'waiting').waitFor();
});

test('a stranger uses what is open, and is asked for a token for the rest', limit, async (t) => {
  const daemon = await startDaemon(t, withOpenChannels);
  const page = await openConsole(browser, t, { at: daemon.url, state: 'waiting', viewport: { width: 380, height: 780 } });
  const open = `open.${randomUUID()}`;
  const closed = `closed.${randomUUID()}`;
  await page.getByRole('button', { name: 'Not now' }).click();
  await page.locator('#auth').waitFor({ state: 'hidden' });

  await subscribe(page, open);
  await publish(page, open, '"from a stranger"');
  await rowWith(page, 'from a stranger').waitFor();
  assert.equal(await page.locator('#auth').isHidden(), true);

  await page.locator('#channel').fill(closed);
  await page.locator('#channel').press('Enter');
  await chipIn(page, closed, 'locked').waitFor();
  await page.locator('#auth-hint').getByText(`Subscribing to ${closed} needs a token.`).waitFor();
  await publish(page, closed, '"too early"');
  const receipt = page.locator('.receipt').filter({ hasText: 'closed.' });
  await receipt.locator('.receipt-code').getByText('unauthorized').waitFor();
  await page.locator('#auth-hint').getByText(`Publishing on ${closed} needs a token.`).waitFor();
  await sql(`insert into queue.message (channel, data) values (:'open', '"still here"')`, { open });
  await rowWith(page, 'still here').waitFor();
  assert.equal(await page.locator('.notice').count(), 0);
  const [content, width] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(content <= width, `content is ${content} px wide in ${width} px`);

  await signIn(page, tokenOf(grants(['closed.*'])));
  await inState(page, 'connected').waitFor();
  await chipIn(page, closed, 'live').waitFor();
  await chipIn(page, open, 'live').waitFor();
  await receipt.getByRole('button', { name: 'Send again' }).click();
  await rowWith(page, 'too early').waitFor();
});

test('who shows no token in time is asked again, and not sent round in circles', limit, async (t) => {
  const daemon = await startDaemon(t, `${onlyTokens}auth_timeout = "3s"\n`);
  const page = await openConsole(browser, t, { at: daemon.url, state: 'waiting' });
  const sessions = countSessions(page);
  await page.locator('#token').fill('half a tok');
  await inState(page, 'closed').waitFor();
  assert.equal(await page.locator('#state-why').textContent(), 'no valid token in time, or it expired (4401)');
  await page.locator('#auth-hint').getByText('no valid token came in time').waitFor();
  assert.equal(await page.locator('#token').inputValue(), 'half a tok', 'what is being typed stays');
  await signIn(page, tokenOf());
  await inState(page, 'connected').waitFor();
  assert.equal(sessions(), 1);
});

test('a new token in time keeps the session', limit, async (t) => {
  const daemon = await startDaemon(t, onlyTokens);
  const page = await openConsole(browser, t, { at: daemon.url, state: 'waiting' });
  const sessions = countSessions(page);
  const channel = `kept.${randomUUID()}`;
  const expires = now() + 8;
  await signIn(page, tokenOf({ exp: expires, ...grants(['kept.*']) }));
  await inState(page, 'connected').waitFor();
  await page.locator('#auth[data-why="expiring"]').waitFor();
  assert.match(await page.locator('#auth-title').textContent(), /^The token expires in [1-8] s$/);
  await subscribe(page, channel);
  const session = await page.locator('#info-session').textContent();

  await signIn(page, 'nonsense');
  await page.locator('#auth-fault').getByText('unauthorized').waitFor();
  await inState(page, 'connected').waitFor();
  await signIn(page, tokenOf(grants(['kept.*'])));
  await page.locator('#auth').waitFor({ state: 'hidden' });

  await page.waitForFunction((until) => Date.now() > until, (expires + 1.5) * 1000);
  await sql(`insert into queue.message (channel, data) values (:'channel', '"later"')`, { channel });
  await rowWith(page, 'later').waitFor();
  assert.equal(await page.locator('#info-session').textContent(), session);
  assert.equal(sessions(), 0);
  assert.equal(await page.locator('.notice').count(), 0);
});

test('an expired token ends the session, and a new one goes on where it stopped', limit, async (t) => {
  const daemon = await startDaemon(t, onlyTokens);
  const page = await openConsole(browser, t, { at: daemon.url, state: 'waiting' });
  const sessions = countSessions(page);
  const channel = `resumed.${randomUUID()}`;
  await signIn(page, tokenOf({ exp: now() + 7, ...grants(['resumed.*']) }));
  await inState(page, 'connected').waitFor();
  await subscribe(page, channel);
  await inState(page, 'closed').waitFor();
  await page.locator('#auth[data-why="ended"]').waitFor();
  assert.match(await page.locator('#state-why').textContent(), /\(4401\)$/);
  assert.equal(await authFact(page).textContent(), 'required');

  await sql(`insert into queue.message (channel, data) select :'channel', to_json(n) from generate_series(1, 5) n`, { channel });
  assert.equal(sessions(), 0, 'the page does not come back by itself');
  await signIn(page, tokenOf(grants(['resumed.*'])));
  await chipIn(page, channel, 'live').waitFor();
  await rows(page).nth(4).waitFor();
  assert.deepEqual(await rows(page).locator('.row-data').allTextContents(), ['5', '4', '3', '2', '1']);
  assert.equal(sessions(), 1);
});

test('a narrower token ends a channel with its reason, a wider one brings it back without a gap', limit, async (t) => {
  const daemon = await startDaemon(t, onlyTokens);
  const page = await openConsole(browser, t, { at: daemon.url, state: 'waiting' });
  const [kept, lost] = [`kept.${randomUUID()}`, `lost.${randomUUID()}`];
  await signIn(page, tokenOf(grants(['kept.*', 'lost.*'])));
  await inState(page, 'connected').waitFor();
  for (const channel of [kept, lost]) await subscribe(page, channel);

  const change = async (token) => {
    await page.getByRole('button', { name: 'New token' }).click();
    await signIn(page, token);
    await page.locator('#auth').waitFor({ state: 'hidden' });
  };
  await change(tokenOf(grants(['kept.*'])));
  await chipIn(page, lost, 'ended').waitFor();
  assert.equal(await chip(page, lost).locator('.chip-state').textContent(), 'ended: forbidden');
  await page.locator('.notice').getByText(`The daemon ended ${lost}: reading it is not allowed any more.`).waitFor();
  await sql(`insert into queue.message (channel, data) values (:'lost', '"missed"'), (:'kept', '"seen"')`, { lost, kept });
  await rowWith(page, 'seen').waitFor();
  assert.equal(await rows(page).count(), 1);
  await chipIn(page, kept, 'live').waitFor();

  await change(tokenOf(grants(['*'])));
  await chipIn(page, lost, 'live').waitFor();
  await rowWith(page, 'missed').waitFor();
  assert.equal(await page.locator('.notice').count(), 0);
});
