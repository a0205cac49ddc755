// node ready.mjs URL PID: waits until URL answers 200, gives up when the process is gone or the deadline passes.
import { setTimeout as pause } from 'node:timers/promises';

const [url, pid] = process.argv.slice(2);
const deadline = Date.now() + 20000;

async function ready() {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(2000) })).status === 200;
  } catch {
    return false;
  }
}

while (!(await ready())) {
  try {
    process.kill(Number(pid), 0);
  } catch {
    console.error('the daemon ended');
    process.exit(1);
  }
  if (Date.now() > deadline) {
    console.error(`${url} gave no 200 within 20 s`);
    process.exit(1);
  }
  await pause(50);
}
