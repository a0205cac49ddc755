// What the browser tests share: Chromium, pages on the console, psql.
import { chromium } from 'playwright-core';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const DEADLINE_MS = 15000;
export const url = required('PGHERALD_URL');
const dsn = required('PGHERALD_DSN');

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; start the tests with run.sh`);
  return value;
}

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    headless: true,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

// Runs SQL and returns the rows as unaligned text. A value named in `values` is written :'name' in the SQL.
export async function sql(text, values = {}) {
  const args = ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1'];
  for (const [name, value] of Object.entries(values)) args.push('-v', `${name}=${value}`);
  args.push('-d', dsn, '-f', '-');
  // psql replaces variables in what it reads, not in -c.
  const child = run('psql', args, { timeout: DEADLINE_MS });
  child.child.stdin.end(text);
  return (await child).stdout.trimEnd();
}

// A console page in a context of its own, so with a storage of its own.
// Whatever the page complains about (a script that threw, a rule of the content security policy) fails the test.
export async function openConsole(browser, t, { before, ...options } = {}) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(DEADLINE_MS);
  const page = await context.newPage();
  const complaints = [];
  page.on('pageerror', (e) => complaints.push(`page error: ${e.message}`));
  page.on('console', (m) => { if (m.type() === 'error') complaints.push(`console: ${m.text()}`); });
  page.on('dialog', async (d) => { complaints.push(`dialog: ${d.message()}`); await d.dismiss(); });
  t.after(async () => {
    await context.close();
    if (complaints.length) throw new Error(complaints.join('\n'));
  });
  if (before) await before(page);
  await page.goto(url);
  await page.locator('#state[data-state="connected"]').waitFor();
  return page;
}

export async function subscribe(page, channel, from = 'now') {
  await page.getByRole('radio', { name: from === 'now' ? 'from now' : 'everything kept' }).check();
  await page.locator('#channel').fill(channel);
  await page.locator('#channel').press('Enter');
  await chip(page, channel).and(page.locator('[data-state="live"]')).waitFor();
}

export const chip = (page, channel) => page.locator(`.chip[data-channel=${JSON.stringify(channel)}]`);

export const rows = (page) => page.locator('#messages .row');

// The row that shows this text in its data.
export const rowWith = (page, text) => rows(page).filter({ has: page.locator('.row-data').getByText(text, { exact: false }) });

export async function publish(page, channel, data) {
  await page.locator('#publish-channel').fill(channel);
  await page.locator('#publish-data').fill(data);
  await page.locator('#publish-data').press('Control+Enter');
}
