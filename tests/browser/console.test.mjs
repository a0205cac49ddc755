import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { chip, launch, openConsole, publish, rows, rowWith, sql, subscribe } from './support.mjs';

const limit = { timeout: 60000 };
let browser;

before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

const dataOf = async (row) => {
  await row.locator('.row-head').click();
  await row.getByRole('button', { name: 'Raw', exact: true }).click();
  return row.locator('.code[data-shown="raw"]').textContent();
};

test('a row inserted with psql reaches the pages on its channel and no other', limit, async (t) => {
  const first = await openConsole(browser, t);
  const second = await openConsole(browser, t);
  const third = await openConsole(browser, t);
  await subscribe(first, 'sports');
  await subscribe(second, 'sports');
  await subscribe(third, 'news');

  const match = `Ajax - Feyenoord ${randomUUID()}`;
  await sql(`insert into queue.message (channel, data) values ('sports', '{"match":"${match}"}')`);
  for (const page of [first, second]) {
    await rowWith(page, match).waitFor();
    assert.equal(await rows(page).count(), 1);
    assert.equal(await rowWith(page, match).locator('.row-name').textContent(), 'sports');
    await chip(page, 'sports').locator('.chip-count').getByText('1', { exact: true }).waitFor();
  }

  // A later message on news has passed everything before it, so a sports message can't be on its way any more.
  const headline = `headline ${randomUUID()}`;
  await sql(`insert into queue.message (channel, data) values ('news', '{"headline":"${headline}"}')`);
  await rowWith(third, headline).waitFor();
  assert.equal(await rows(third).count(), 1);
  assert.equal(await third.locator('#total').textContent(), '1');
});

test('rows show the seq of the table, newest first', limit, async (t) => {
  const page = await openConsole(browser, t);
  await subscribe(page, 'order');
  await sql(`insert into queue.message (channel, data) select 'order', json_build_object('n', n) from generate_series(1, 20) n`);
  await rows(page).nth(19).waitFor();
  const shown = await rows(page).locator('.row-seq').allTextContents();
  const stored = await sql(`select seq from queue.message where channel = 'order' order by seq desc`);
  assert.deepEqual(shown, stored.split('\n'));
});

test('when the receipt is shown the row is in the table', limit, async (t) => {
  const page = await openConsole(browser, t);
  await subscribe(page, 'orders');
  const data = '{"order": 17,  "total": 9.90}';
  await publish(page, 'orders', data);
  const receipt = page.locator('.receipt[data-state="ok"]');
  await receipt.waitFor();
  const id = await receipt.getAttribute('data-id');
  const seq = await receipt.getAttribute('data-seq');
  assert.equal(await sql(`select channel, data, seq from queue.message where id = :'id'`, { id }), `orders|${data}|${seq}`);
  assert.match(await receipt.locator('.receipt-took').textContent(), /^[\d.,]+ ms$/);

  const row = page.locator(`.row[data-seq="${seq}"]`);
  await row.waitFor();
  assert.equal(await dataOf(row), data);
});

test('a refused publish shows its code and message', limit, async (t) => {
  const page = await openConsole(browser, t, {
    before: (p) => p.routeWebSocket('**/ws', (ws) => {
      const server = ws.connectToServer();
      ws.onMessage((text) => {
        const frame = JSON.parse(text);
        if (frame.type !== 'publish') return server.send(text);
        return ws.send(JSON.stringify({ type: 'error', ref: frame.ref, code: 'forbidden', message: 'not granted', retry: false }));
      });
    }),
  });
  await publish(page, 'sports', '{"a":1}');
  const receipt = page.locator('.receipt[data-state="error"]');
  assert.equal(await receipt.locator('.receipt-code').textContent(), 'forbidden');
  assert.equal(await receipt.locator('.receipt-error').textContent(), 'not granted');
});

test('data that is not JSON is not sent', limit, async (t) => {
  const page = await openConsole(browser, t);
  await publish(page, 'sports', '{"a":}');
  await page.locator('#publish-check[data-valid="false"]').waitFor();
  assert.notEqual(await page.locator('#publish-check').textContent(), '');
  assert.equal(await page.locator('.receipt').count(), 0);
});

test('markup in a channel and in data is text', limit, async (t) => {
  const page = await openConsole(browser, t);
  const channel = '<script>window.ran = 1</script><img src=x onerror="window.ran = 1">';
  const data = '{"<b>key</b>":"<script>window.ran = 1</script><img src=x onerror=\'window.ran = 1\'>"}';
  await subscribe(page, channel);
  await publish(page, channel, data);
  const row = rows(page).first();
  await row.waitFor();
  assert.equal(await row.locator('.row-name').textContent(), channel);
  assert.equal(await row.locator('.row-data').textContent(), data);
  assert.equal(await dataOf(row), data);
  await row.getByRole('button', { name: 'Pretty', exact: true }).click();
  assert.ok((await row.locator('.code').textContent()).includes('"<b>key</b>": "<script>'));
  assert.equal(await page.locator('.receipt[data-state="ok"] .receipt-channel').textContent(), channel);
  assert.equal(await page.locator('img, #messages script, #messages b, .chips script, #receipts script').count(), 0);
  assert.equal(await page.evaluate(() => window.ran), undefined);
});

test('data is shown byte for byte', limit, async (t) => {
  const page = await openConsole(browser, t);
  await subscribe(page, 'exact');
  const cases = [
    '{"n":12345678901234567890.123}',
    '-0.0',
    '1e400',
    '{"b":1, "a":2,\t"b":3}',
    '"\\u00e9 é \\/ \\\\\\" \\ud83d\\ude00 😀"',
    '{"data":{"data":"}"},"type":"welcome","seq":1}',
    '[ ]',
    'null',
    '"a,\\"data\\":\\\\"',
  ];
  for (const [i, data] of cases.entries()) {
    const id = randomUUID();
    const seq = await sql(`insert into queue.message (id, channel, data) values (:'id', 'exact', :'data') returning seq`, { id, data });
    // The list stands still while a row is open, so each row is closed again by clearing.
    const row = page.locator(`.row[data-seq="${seq}"]`);
    await row.waitFor();
    assert.equal(await row.locator('.row-data').textContent(), data);
    assert.equal(await dataOf(row), data, `case ${i}`);
    await page.locator('#clear').click();
    await row.waitFor({ state: 'detached' });
  }
});

test('a big number survives the pretty view and the road from the editor to the table', limit, async (t) => {
  const page = await openConsole(browser, t);
  await subscribe(page, 'big');
  await publish(page, 'big', '{"n":12345678901234567890.123}');
  const row = rowWith(page, '12345678901234567890.123');
  await row.waitFor();
  await row.locator('.row-head').click();
  assert.equal(await row.locator('.code').textContent(), '{\n  "n": 12345678901234567890.123\n}');
  assert.equal(await sql(`select data from queue.message where channel = 'big'`), '{"n":12345678901234567890.123}');
});

test('channels are remembered, and forgotten when unsubscribed', limit, async (t) => {
  const page = await openConsole(browser, t);
  await subscribe(page, 'kept');
  await subscribe(page, 'dropped');
  await page.getByRole('button', { name: 'Unsubscribe from dropped' }).click();
  await page.reload();
  await chip(page, 'kept').and(page.locator('[data-state="live"]')).waitFor();
  assert.equal(await page.locator('.chip').count(), 1);

  const text = `after reload ${randomUUID()}`;
  await sql(`insert into queue.message (channel, data) values ('dropped', '1'), ('kept', :'data')`, { data: JSON.stringify(text) });
  await rowWith(page, text).waitFor();
  assert.equal(await rows(page).count(), 1);
});

test('the list can be paused and filtered', limit, async (t) => {
  const page = await openConsole(browser, t);
  await subscribe(page, 'flow');
  await sql(`insert into queue.message (channel, data) values ('flow', '{"fruit":"apple"}'), ('flow', '{"fruit":"pear"}')`);
  await rows(page).nth(1).waitFor();

  await page.getByRole('group', { name: 'Message list' }).getByRole('button', { name: 'Pause' }).click();
  assert.equal(await page.locator('#pause').textContent(), 'Resume');
  assert.equal(await page.locator('#pause').getAttribute('aria-pressed'), null);
  await sql(`insert into queue.message (channel, data) values ('flow', '{"fruit":"plum"}')`);
  await page.locator('#held').getByText('1 new').waitFor();
  assert.equal(await rows(page).count(), 2);
  await page.locator('#held').click();
  await rowWith(page, 'plum').waitFor();

  await page.locator('#filter').fill('PEAR');
  await rowWith(page, 'plum').waitFor({ state: 'detached' });
  assert.equal(await rows(page).count(), 1);
  await page.locator('#filter').fill('');
  await rows(page).nth(2).waitFor();
});

test('typing in the filter searches the list once, when the typing stops', limit, async (t) => {
  const page = await openConsole(browser, t);
  await subscribe(page, 'typing');
  await sql(`insert into queue.message (channel, data) values ('typing', '"Äpfel"'), ('typing', '"pears and quinces"')`);
  await rows(page).nth(1).waitFor();
  const drawn = await page.evaluate(async () => {
    let times = 0;
    const observer = new MutationObserver((records) => { times += records.some((r) => r.removedNodes.length) ? 1 : 0; });
    observer.observe(document.getElementById('messages'), { childList: true });
    const field = document.getElementById('filter');
    for (const letter of 'pears and quinces') {
      field.value += letter;
      field.dispatchEvent(new Event('input', { bubbles: true }));
      await new Promise((resolve) => { requestAnimationFrame(() => requestAnimationFrame(resolve)); });
    }
    await new Promise((resolve) => { setTimeout(resolve, 400); });
    observer.disconnect();
    return times;
  });
  // One where each frame comes in time; a slow machine may have more, and a search for each letter 17.
  assert.ok(drawn >= 1 && drawn < 17, `drawn ${drawn} times`);
  assert.equal(await rows(page).count(), 1);
  await page.locator('#filter').fill('ÄPFEL');
  await rowWith(page, 'Äpfel').waitFor();
  assert.equal(await rows(page).count(), 1);
  await page.locator('#filter').fill('typing');
  await rows(page).nth(1).waitFor();
});

test('the page offers the SQL that makes a first message appear', limit, async (t) => {
  const page = await openConsole(browser, t, { permissions: ['clipboard-read', 'clipboard-write'] });
  await page.getByRole('button', { name: 'Subscribe to sports' }).click();
  await chip(page, 'sports').and(page.locator('[data-state="live"]')).waitFor();
  await page.locator('#try-copy').click();
  await page.locator('#try-copy').getByText('Copied').waitFor();
  const offered = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(offered, `insert into queue.message (channel, data) values ('sports', '{"hello":"world"}');`);
  await sql(offered);
  await rowWith(page, '{"hello":"world"}').waitFor();
  await page.locator('#empty').waitFor({ state: 'hidden' });
});

test('the page fits a narrow phone', limit, async (t) => {
  const page = await openConsole(browser, t, { viewport: { width: 380, height: 780 } });
  await subscribe(page, 'narrow');
  await sql(`insert into queue.message (channel, data) values ('narrow', json_build_object('long', repeat('wide', 200)))`);
  await rows(page).first().waitFor();
  await rows(page).first().locator('.row-head').click();
  await rows(page).first().locator('.code').waitFor();
  const [content, width] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(content <= width, `content is ${content} px wide in ${width} px`);
});
