// Pub/sub with LISTEN and NOTIFY, as it is usually written in Node.js: a trigger notifies the row, one client
// listens, every socket of the channel is sent the payload. It speaks the part of pgherald.v1 that the load
// generator needs, so that both servers are driven by the same program.
//   PORT=8090 DATABASE_URL=postgres://... node server.mjs
// Without DATABASE_URL the PG* variables count. HOST defaults to 127.0.0.1, PORT to any free one.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { once } from 'node:events';
import pg from 'pg';
import { WebSocketServer } from 'ws';

const POOL_SIZE = 10;
const MAX_CHANNEL_BYTES = 63; // of a Postgres identifier
const MAX_FRAME_BYTES = 65536;

const database = process.env.DATABASE_URL ? { connectionString: process.env.DATABASE_URL } : {};
const listener = new pg.Client({ ...database, application_name: 'node-peer listener' });
const pool = new pg.Pool({ ...database, application_name: 'node-peer', max: POOL_SIZE, idleTimeoutMillis: 0 });

// channel -> { sockets, listening }, for the channels somebody subscribed to
const topics = new Map();
let stopping = false;

class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

// One statement at a time on the listening client, in the order they were asked for.
let lastStatement = Promise.resolve();
function onListener(statement) {
  const result = lastStatement.then(() => listener.query(statement));
  lastStatement = result.catch(() => {});
  return result;
}

async function subscribe(socket, { ref, channel }) {
  checkChannel(channel);
  if (socket.channels?.has(channel)) throw new Refused('already_subscribed', 'There is a subscription on this channel.');
  let topic = topics.get(channel);
  if (!topic) {
    topic = { sockets: new Set(), listening: onListener(`LISTEN ${pg.escapeIdentifier(channel)}`) };
    topics.set(channel, topic);
  }
  topic.sockets.add(socket);
  (socket.channels ??= new Set()).add(channel);
  try {
    await topic.listening;
  } catch (error) {
    leave(socket, channel);
    throw error;
  }
  answer(socket, { type: 'ok', ref, channel, head: 0 });
}

async function unsubscribe(socket, { ref, channel }) {
  if (!socket.channels?.has(channel)) throw new Refused('not_subscribed', 'There is no subscription on this channel.');
  leave(socket, channel);
  answer(socket, { type: 'ok', ref });
}

function leave(socket, channel) {
  if (!socket.channels.delete(channel)) return;
  const topic = topics.get(channel);
  topic.sockets.delete(socket);
  if (topic.sockets.size > 0) return;
  topics.delete(channel);
  if (!stopping) onListener(`UNLISTEN ${pg.escapeIdentifier(channel)}`).catch(report);
}

async function publish(socket, { ref, channel, data }) {
  checkChannel(channel);
  if (data === undefined) throw new Refused('malformed', 'A publish needs data.');
  // A statement outside of a transaction: it returns when it is committed.
  const { rows } = await pool.query({
    name: 'publish',
    text: 'INSERT INTO queue.message (channel, data) VALUES ($1, $2) RETURNING id',
    values: [channel, JSON.stringify(data)],
  });
  answer(socket, { type: 'ok', ref, id: rows[0].id });
}

async function ping(socket, { ref }) {
  answer(socket, { type: 'ok', ref });
}

const verbs = new Map(Object.entries({ subscribe, unsubscribe, publish, ping }));

function checkChannel(channel) {
  if (typeof channel !== 'string' || channel === '' || Buffer.byteLength(channel) > MAX_CHANNEL_BYTES) {
    throw new Refused('invalid_channel', `A channel has 1 to ${MAX_CHANNEL_BYTES} bytes.`);
  }
}

function answer(socket, frame) {
  socket.send(JSON.stringify(frame));
}

async function onMessage(text) {
  let frame = {};
  try {
    try {
      frame = JSON.parse(text) ?? {};
    } catch {
      throw new Refused('malformed', 'Not JSON.');
    }
    const verb = verbs.get(frame.type);
    if (!verb) throw new Refused('unknown_type', 'There is no such frame.');
    await verb(this, frame);
  } catch (error) {
    const refused = error instanceof Refused;
    if (!refused) report(error);
    answer(this, {
      type: 'error', ref: frame.ref, code: refused ? error.code : 'unavailable', message: error.message, retry: !refused,
    });
  }
}

function onClose() {
  for (const channel of this.channels ?? []) leave(this, channel);
}

// The payload is the row as JSON, so it becomes a frame without being parsed, and bytes only once.
listener.on('notification', ({ channel, payload }) => {
  const topic = topics.get(channel);
  if (!topic) return;
  const frame = Buffer.from(`{"type":"message",${payload.slice(1)}`);
  for (const socket of topic.sockets) socket.send(frame, { binary: false });
});

function report(error) {
  console.error(error.message);
}

// What was notified while nobody listened is lost, so a broken listener ends the process and a supervisor starts anew.
listener.on('error', (error) => {
  report(error);
  process.exit(1);
});
pool.on('error', report);

await listener.connect();
await listener.query(await readFile(new URL('schema.sql', import.meta.url), 'utf8'));

const server = createServer((request, response) => {
  response.writeHead(request.url === '/healthz' ? 200 : 404, { 'content-type': 'text/plain' });
  response.end(request.url === '/healthz' ? 'ok\n' : 'not here\n');
});

const sockets = new WebSocketServer({ server, path: '/ws', perMessageDeflate: false, maxPayload: MAX_FRAME_BYTES });
sockets.on('connection', (socket) => {
  socket.on('message', onMessage);
  socket.on('close', onClose);
  socket.on('error', report);
  answer(socket, {
    type: 'welcome', session: '', epoch: '', head: 0, auth: 'none', ping_interval: 0,
    max_frame: MAX_FRAME_BYTES, server: 'node-peer',
  });
});

async function stop() {
  if (stopping) return;
  stopping = true;
  server.close();
  server.closeAllConnections?.();
  for (const socket of sockets.clients) socket.close(1001);
  const impatience = setTimeout(() => {
    for (const socket of sockets.clients) socket.terminate();
  }, 1000);
  await once(server, 'close');
  clearTimeout(impatience);
  await pool.end();
  await listener.end();
}
process.on('SIGTERM', stop);
process.on('SIGINT', stop);

// The default backlog of 511 makes thousands of clients that connect at once wait for a second.
server.listen({ host: process.env.HOST ?? '127.0.0.1', port: Number(process.env.PORT ?? 0), backlog: 4096 });
await once(server, 'listening');
console.log(`listening on ${server.address().address}:${server.address().port}`);
