import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { chip, launch, openConsole, rows, rowWith, sql, subscribe } from './support.mjs';

const limit = { timeout: 60000 };
let browser;

before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

test('what was inserted while the page was away arrives when it is back, once and in order', limit, async (t) => {
  let sessions = 0;
  let page = null;
  let cut = null;
  let mayReturn = null;
  const returned = new Promise((resolve) => { mayReturn = resolve; });
  page = await openConsole(browser, t, {
    before: (p) => p.routeWebSocket('**/ws', async (ws) => {
      // The way back stays closed until the rows are in.
      if (++sessions > 1) await returned;
      const server = ws.connectToServer();
      cut ??= async () => {
        await server.close();
        await ws.close({ code: 1012 });
      };
    }),
  });
  const channel = `resume ${randomUUID()}`;
  await subscribe(page, channel);
  await sql(`insert into queue.message (channel, data) values (:'channel', '"before"')`, { channel });
  await rowWith(page, 'before').waitFor();

  await cut();
  await sql(`insert into queue.message (channel, data) select :'channel', to_json('away ' || n) from generate_series(1, 25) n`, { channel });
  mayReturn();
  await page.locator('#state[data-state="connected"]').waitFor();
  await chip(page, channel).and(page.locator('[data-state="live"]')).waitFor();
  await sql(`insert into queue.message (channel, data) values (:'channel', '"after"')`, { channel });
  await rowWith(page, 'after').waitFor();

  const shown = await rows(page).locator('.row-seq').allTextContents();
  const stored = await sql(`select seq from queue.message where channel = :'channel' order by seq desc`, { channel });
  assert.deepEqual(shown, stored.split('\n'));
  assert.equal(shown.length, 27);
  assert.equal(await page.locator('.notice').count(), 0);
});
