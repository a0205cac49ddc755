// deploy/quickstart.sh as a reader of the README runs it: two commands to a message on the page, Ctrl-C, nothing left.
// It builds with CMake as well, so it runs where the build that is tested is the release build of this checkout.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { access, readFile, readdir, realpath, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { launch, openConsole, rowWith, subscribe } from './support.mjs';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const real = (path) => realpath(path).catch(() => path);
const here = await real(process.env.PGHERALD_BIN) === await real(`${root}build/release/pgherald`);
let browser;

before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function processes() {
  const found = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    try {
      const status = await readFile(`/proc/${pid}/status`, 'utf8');
      const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ').trim();
      const number = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)[1]);
      found.push({ pid: Number(pid), parent: number('PPid'), user: number('Uid'), command });
    } catch { /* It has ended meanwhile. */ }
  }
  return found;
}

test('the quickstart ends at a page that shows what its psql line inserts, and Ctrl-C leaves only the data',
  { timeout: 300000, skip: !here && 'not the release build of this checkout' }, async (t) => {
    const port = await freePort();
    // Below /tmp, where the user that Postgres runs as can enter.
    const folder = `/tmp/pgherald-quickstart-${randomUUID()}`;
    const others = Object.entries(process.env).filter(([name]) => !name.startsWith('PGHERALD_'));
    const env = { ...Object.fromEntries(others), PORT: String(port), QUICKSTART_DIR: folder };
    const child = spawn(`${root}deploy/quickstart.sh`, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    const toGroup = (signal) => { try { process.kill(-child.pid, signal); } catch { /* It has ended. */ } };
    const ended = once(child, 'close');
    const abandon = () => toGroup('SIGTERM');
    process.once('exit', abandon);
    t.after(async () => {
      abandon();
      await ended;
      process.removeListener('exit', abandon);
      await rm(folder, { recursive: true, force: true });
    });

    const said = [];
    const ready = new Promise((resolve) => {
      for (const out of [child.stdout, child.stderr]) {
        createInterface(out).on('line', (line) => {
          said.push(line);
          if (line.startsWith('Ctrl-C stops')) resolve(true);
        });
      }
    });
    assert.equal(await Promise.race([ready, ended]), true, said.join('\n'));
    const text = said.join('\n');
    const url = /The console: (\S+)/.exec(text)[1];
    const insert = /^ {2}(.*psql .*insert into.*)$/m.exec(text)[1];
    assert.equal(url, `http://127.0.0.1:${port}/`);

    const page = await openConsole(browser, t, { at: url });
    await subscribe(page, 'sports');
    await run('bash', ['-c', insert]);
    await rowWith(page, '{"match":"final","score":"2:1"}').waitFor();
    const daemon = (await processes()).find((p) => p.parent === child.pid && p.command.endsWith('pgherald serve'));
    assert.notEqual(daemon.user, 0, 'the daemon runs as root');
    await page.close();

    toGroup('SIGINT'); // as a terminal sends it
    const [code] = await ended;
    assert.equal(code, 130, said.join('\n'));
    assert.match(said.at(-1), /^stopped; the data stays in /);
    assert.deepEqual((await processes()).filter((p) => p.pid === daemon.pid || p.command.includes(folder)), []);
    await assert.rejects(fetch(url));
    await access(`${folder}/data/PG_VERSION`);
    await assert.rejects(access(`${folder}/data/postmaster.pid`));
  });
