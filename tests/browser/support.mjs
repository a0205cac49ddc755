// What the browser tests share: Chromium, pages on the console, psql, daemons with settings of their own, tokens.
import { chromium } from 'playwright-core';
import { execFile, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
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

export function launch(more = []) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    headless: true,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync', ...more],
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
// `state` is what the page is expected to show first.
export async function openConsole(browser, t, { before, at = url, state = 'connected', ...options } = {}) {
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
  await page.goto(at);
  await inState(page, state).waitFor();
  return page;
}

export async function subscribe(page, channel, from = 'now') {
  await page.getByRole('radio', { name: from === 'now' ? 'from now' : 'everything kept' }).check();
  await page.locator('#channel').fill(channel);
  await page.locator('#channel').press('Enter');
  await chip(page, channel).and(page.locator('[data-state="live"]')).waitFor();
}

export const inState = (page, state) => page.locator(`#state[data-state="${state}"]`);

export const chip = (page, channel) => page.locator(`.chip[data-channel=${JSON.stringify(channel)}]`);

export const rows = (page) => page.locator('#messages .row');

// The row that shows this text in its data.
export const rowWith = (page, text) => rows(page).filter({ has: page.locator('.row-data').getByText(text, { exact: false }) });

export async function publish(page, channel, data) {
  await page.locator('#publish-channel').fill(channel);
  await page.locator('#publish-data').fill(data);
  await page.locator('#publish-data').press('Control+Enter');
}

// A daemon of its own on the tests' database, until the test ends. `toml` is its configuration file.
export async function startDaemon(t, toml) {
  const folder = await mkdtemp(join(tmpdir(), 'pgherald-browser-daemon.'));
  const file = join(folder, 'pgherald.toml');
  await writeFile(file, toml, { mode: 0o600 });
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith('PGHERALD_'));
  const env = {
    ...Object.fromEntries(others), PGHERALD_POSTGRES_DSN: dsn, PGHERALD_SERVER_LISTEN: '127.0.0.1:0', PGHERALD_SERVER_THREADS: '1',
  };
  const child = spawn(required('PGHERALD_BIN'), ['serve', '--config', file], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGTERM');
    const patience = setTimeout(kill, DEADLINE_MS);
    await ended;
    clearTimeout(patience);
    process.removeListener('exit', kill);
    await rm(folder, { recursive: true });
  });

  const log = [];
  const accepting = new Promise((resolve) => {
    for (const out of [child.stdout, child.stderr]) {
      createInterface(out).on('line', (line) => {
        log.push(line);
        const port = /accepting clients.*:(\d+)/.exec(line)?.[1];
        if (port) resolve(Number(port));
      });
    }
  });
  const port = await Promise.race([accepting, ended]);
  if (typeof port !== 'number') throw new Error(`the daemon ended:\n${log.join('\n')}`);
  const daemon = { port, url: `http://127.0.0.1:${port}`, ws: `ws://127.0.0.1:${port}/ws`, log: () => log.join('\n') };
  while ((await fetch(`${daemon.url}/readyz`)).status !== 200) await pause(20);
  return daemon;
}

// ---- Tokens

export const secret = 'a secret of forty characters, at least..';
export const now = () => Math.floor(Date.now() / 1000);

// A token signed with HS256. Claims that are undefined are left out.
export function tokenOf(claims = {}, key = secret) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: '42', exp: now() + 3600, ...claims })}`;
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}

export const grants = (subscribe, publish = subscribe) => ({ pgherald: { subscribe, publish } });
