// What a page may do with the daemon by the browser's own rules: other origins, tokens in the handshake, the policy
// that comes with the console, and what messages contain.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import {
  chip, DEADLINE_MS, grants, inState, launch, now, openConsole, publish, rows, rowWith, secret, sql, startDaemon, subscribe, tokenOf, url,
} from './support.mjs';

const limit = { timeout: 60000 };
let browser;

before(async () => {
  browser = await launch(['--host-resolver-rules=MAP example.test 127.0.0.1, MAP *.example.test 127.0.0.1, MAP *.evil.test 127.0.0.1']);
});
after(async () => { await browser?.close(); });

const tokens = `
[auth]
mode = "token"
secret = "${secret}"
leeway = "0s"
`;

// Serves empty pages, so that a test has an origin that is not the daemon's. /sandbox has the origin "null".
async function elsewhere(t) {
  const server = createServer((request, response) => {
    const sandbox = request.url === '/sandbox' ? { 'Content-Security-Policy': 'sandbox allow-scripts' } : {};
    response.writeHead(200, { 'Content-Type': 'text/html', ...sandbox });
    response.end('<!doctype html><title>elsewhere</title>');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => { server.closeAllConnections(); server.close(); });
  return server.address().port;
}

async function pageAt(t, address) {
  const context = await browser.newContext();
  context.setDefaultTimeout(DEADLINE_MS);
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(address);
  return page;
}

// What a page learns from a WebSocket: its first frame and subprotocol, or how it was closed; then the answer to `ask`.
const dial = (page, address, protocols = ['pgherald.v1'], ask = null) => page.evaluate(([to, offered, question]) => new Promise((resolve) => {
  const socket = new WebSocket(to, offered);
  const learned = {};
  socket.onmessage = (e) => {
    const frame = JSON.parse(e.data);
    if (frame.type === 'welcome') {
      Object.assign(learned, { welcome: frame, protocol: socket.protocol });
      if (question) {
        socket.send(JSON.stringify({ ref: 1, ...question }));
        return;
      }
    } else {
      learned.answer = frame;
    }
    resolve(learned);
    socket.close();
  };
  socket.onclose = (e) => resolve({ code: e.code, reason: e.reason });
}), [address, protocols, ask]);

const refused = { code: 4403, reason: 'this origin or address is not allowed' };

test('without a list only pages of the daemon may connect', limit, async (t) => {
  const daemon = await startDaemon(t, '');
  const port = await elsewhere(t);
  assert.equal((await dial(await pageAt(t, `${daemon.url}/healthz`), daemon.ws)).welcome.type, 'welcome');
  // The same daemon by another name is another origin.
  const byName = await pageAt(t, `http://localhost:${daemon.port}/healthz`);
  assert.equal((await dial(byName, `ws://localhost:${daemon.port}/ws`)).welcome.type, 'welcome');
  assert.deepEqual(await dial(byName, daemon.ws), refused);
  for (const address of [`http://127.0.0.1:${port}/`, `http://localhost:${port}/`, `http://127.0.0.1:${port}/sandbox`]) {
    assert.deepEqual(await dial(await pageAt(t, address), daemon.ws), refused, address);
  }
});

test('a page of an origin that is listed may connect, and of no other', limit, async (t) => {
  const port = await elsewhere(t);
  const daemon = await startDaemon(t, `[websocket]\nallowed_origins = ["http://127.0.0.1:${port}"]\n`);
  const listed = await pageAt(t, `http://127.0.0.1:${port}/`);
  assert.equal((await dial(listed, daemon.ws)).welcome.type, 'welcome');
  for (const address of [`http://localhost:${port}/`, `${daemon.url}/healthz`, `http://127.0.0.1:${port}/sandbox`]) {
    assert.deepEqual(await dial(await pageAt(t, address), daemon.ws), refused, address);
  }
});

test('a star stands for every host below a domain, and for nothing else', limit, async (t) => {
  const port = await elsewhere(t);
  const daemon = await startDaemon(t, `[websocket]\nallowed_origins = ["http://*.example.test:${port}"]\n`);
  for (const host of ['shop.example.test', 'a.b.example.test']) {
    assert.equal((await dial(await pageAt(t, `http://${host}:${port}/`), daemon.ws)).welcome?.type, 'welcome', host);
  }
  for (const host of ['example.test', 'shop.example.test.evil.test', 'shopexample.evil.test', '127.0.0.1', 'localhost']) {
    assert.deepEqual(await dial(await pageAt(t, `http://${host}:${port}/`), daemon.ws), refused, host);
  }
  const otherPort = await elsewhere(t);
  assert.deepEqual(await dial(await pageAt(t, `http://shop.example.test:${otherPort}/`), daemon.ws), refused);
});

test('the console says why it may not connect', limit, async (t) => {
  const daemon = await startDaemon(t, '[websocket]\nallowed_origins = ["https://shop.example"]\n');
  const page = await openConsole(browser, t, { at: daemon.url, state: 'closed' });
  assert.match(await page.locator('#state-why').textContent(), /^the origin of this page is not allowed: see websocket.allowed_origins \(4403/);
});

test('a page shows its token as the second subprotocol', limit, async (t) => {
  const daemon = await startDaemon(t, tokens);
  const page = await pageAt(t, `${daemon.url}/healthz`);
  const token = tokenOf(grants(['mine']));
  const ask = { type: 'subscribe', channel: 'mine' };
  const known = await dial(page, daemon.ws, ['pgherald.v1', `bearer.${token}`], ask);
  assert.equal(known.protocol, 'pgherald.v1');
  assert.equal(known.welcome.auth, 'none');
  assert.equal(known.answer.type, 'ok');

  const stranger = await dial(page, daemon.ws, ['pgherald.v1'], ask);
  assert.equal(stranger.welcome.auth, 'required');
  assert.equal(stranger.answer.code, 'unauthorized');
  const inUrl = await dial(page, `${daemon.ws}?token=${token}`, ['pgherald.v1'], ask);
  assert.equal(inUrl.answer.code, 'unauthorized', 'a token in the URL is no token');

  const expired = await dial(page, daemon.ws, ['pgherald.v1', `bearer.${tokenOf({ exp: now() - 5 })}`]);
  assert.equal(expired.code, 4401);
  assert.match(expired.reason, /expired/);
});

test('markup in a channel, in data and in a sender is text', limit, async (t) => {
  const daemon = await startDaemon(t, tokens);
  const channel = '<script>alert(1)</script>';
  const data = '"<img src=x onerror=alert(1)>"';
  const sender = '<img src=x onerror=alert(2)><script>alert(2)</script>';
  const violations = [];
  // openConsole fails the test on a dialog, a script that threw, and an error in the browser's console.
  const page = await openConsole(browser, t, {
    at: daemon.url,
    state: 'waiting',
    before: async (p) => {
      await p.exposeFunction('noteViolation', (what) => violations.push(what));
      await p.addInitScript(() => addEventListener('securitypolicyviolation', (e) => window.noteViolation(`${e.violatedDirective} ${e.blockedURI}`)));
    },
  });
  await page.locator('#channel').fill(channel);
  await page.locator('#channel').press('Enter');
  await page.locator('#auth-hint').getByText(`Subscribing to ${channel} needs a token.`).waitFor();
  const token = (list) => tokenOf({ sub: sender, ...grants(list) });
  const signIn = async (list) => {
    await page.locator('#token').fill(token(list));
    await page.locator('#token').press('Enter');
    await page.locator('#auth').waitFor({ state: 'hidden' });
  };
  await signIn(['*']);
  await inState(page, 'connected').waitFor();
  await chip(page, channel).and(page.locator('[data-state="live"]')).waitFor();
  await publish(page, channel, data);
  const row = rows(page).first();
  await row.locator('.row-head').click();
  assert.equal(await row.locator('.row-name').textContent(), channel);
  assert.equal(await row.locator('.row-data').textContent(), data);
  assert.equal(await row.locator('.code').textContent(), data);
  const facts = await row.locator('.detail-facts dd').allTextContents();
  assert.ok(facts.includes(sender) && facts.includes(channel), facts.join('\n'));
  assert.equal(await page.locator('.receipt[data-state="ok"] .receipt-channel').textContent(), channel);

  await page.getByRole('button', { name: 'New token' }).click();
  await signIn(['nothing']);
  await chip(page, channel).and(page.locator('[data-state="ended"]')).waitFor();
  await page.locator('.notice').getByText(`The daemon ended ${channel}:`).waitFor();
  await publish(page, channel, data);
  await page.locator('.receipt-code').getByText('forbidden').waitFor();

  assert.equal(await page.locator('img, main script, header script, form script, [onerror]').count(), 0);
  assert.deepEqual(violations, []);
});

test('the policy of the console stops what would be put into the page', limit, async (t) => {
  const page = await pageAt(t, url);
  const policy = (await page.request.get(url)).headers()['content-security-policy'];
  for (const rule of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"]) {
    assert.ok(policy.split('; ').includes(rule), `${rule} in ${policy}`);
  }
  assert.doesNotMatch(policy, /unsafe|\*|data:/);
  const stopped = await page.evaluate(() => new Promise((resolve) => {
    const directives = new Set();
    addEventListener('securitypolicyviolation', (e) => {
      directives.add(e.effectiveDirective);
      if (directives.size === 4) resolve(Array.from(directives).sort());
    });
    const inline = document.createElement('script');
    inline.textContent = 'window.ran = 1';
    const image = document.createElement('div');
    image.innerHTML = '<img src="data:," onerror="window.ran = 1"><p style="color: red"></p>';
    document.body.append(inline, image);
  }));
  assert.deepEqual(stopped, ['img-src', 'script-src-attr', 'script-src-elem', 'style-src-attr']);
  assert.equal(await page.evaluate(() => window.ran), undefined);

  // Nor may another page put the console into a frame.
  const port = await elsewhere(t);
  const outer = await pageAt(t, `http://127.0.0.1:${port}/`);
  const complaint = outer.waitForEvent('console', (m) => /frame-ancestors/.test(m.text()));
  await outer.evaluate((to) => {
    const frame = document.createElement('iframe');
    frame.src = to;
    document.body.append(frame);
  }, url);
  await complaint;
});

test('without the console its files are gone, and sessions are served', limit, async (t) => {
  const daemon = await startDaemon(t, '[server]\nconsole = false\n');
  for (const path of ['/', '/index.html', '/console.js', '/console.css', '/favicon.svg']) {
    assert.equal((await fetch(daemon.url + path)).status, 404, path);
  }
  const page = await pageAt(t, `${daemon.url}/healthz`);
  const learned = await dial(page, daemon.ws, ['pgherald.v1'], { type: 'publish', channel: 'headless', data: 1 });
  assert.equal(learned.answer.type, 'ok');
  assert.equal(await sql(`select data from queue.message where channel = 'headless'`), '1');
});
