'use strict';

// The console page: one WebSocket session of pgherald.v1, seen and driven by hand.
// Text from the database reaches the page through textContent only, and `data` is never decoded:
// it is cut out of the frame as text, so numbers, key order, escapes and spaces stay as they were inserted.

(() => {
  const MAX_ROWS = 500;               // rows in the document
  const BUSY_ROWS = 60;               // rows in the document while more arrives than anyone can read
  const BUSY_ARRIVALS = 20;           // between two drawings
  const MAX_KEPT = 5000;              // messages in memory, so that a filter has something to find
  const MAX_KEPT_CHARS = 32 * 1024 * 1024;
  const MAX_RECEIPTS = 50;
  const MAX_NOTICES = 4;
  const PREVIEW_CHARS = 240;
  const PRETTY_CHARS = 100000;        // longer data is shown cut, and copied whole
  const RATE_SECONDS = 60;
  const PONG_DEADLINE_MS = 10000;
  const STABLE_MS = 10000;            // a session this long makes the next backoff start small again
  const FILTER_PAUSE_MS = 150;        // without a key, before the list is searched
  const STORAGE_KEY = 'pgherald.console';
  const COLOURS = 10;

  const CLOSE_CODES = {
    1000: { why: 'the daemon ended the session', again: true },
    1001: { why: 'the daemon is going away', again: true },
    1002: { why: 'what the page sent was no WebSocket frame', again: false },
    1006: { why: 'the connection was lost', again: true },
    1007: { why: 'a frame was not valid UTF-8', again: false },
    1008: { why: 'no frame came in time', again: true },
    1009: { why: 'a frame was larger than max_frame', again: false },
    1012: { why: 'the daemon is restarting', again: true },
    1013: { why: 'the daemon is overloaded', again: true, atLeastMs: 5000 },
    4400: { why: 'too many malformed frames', again: false },
    4401: { why: 'no valid token in time, or it expired', again: false, token: true },
    4403: { why: 'the origin of this page is not allowed: see websocket.allowed_origins', again: false },
    4429: { why: 'the rate limit was exceeded for too long', again: true, atLeastMs: 30000 },
  };

  const $ = (id) => document.getElementById(id);
  const number = new Intl.NumberFormat('en-US');
  const utf8 = new TextEncoder();

  function make(tag, className, text) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  }

  function setText(node, text) {
    if (node.textContent !== text) node.textContent = text;
  }

  // ---- JSON as text

  const QUOTE = 34, BACKSLASH = 92, COMMA = 44, COLON = 58;
  const isSpace = (c) => c === 32 || c === 10 || c === 13 || c === 9;
  const isOpen = (c) => c === 123 || c === 91;
  const isClose = (c) => c === 125 || c === 93;

  function skipSpace(text, i) {
    while (isSpace(text.charCodeAt(i))) i++;
    return i;
  }

  // A quote ends its string unless an odd number of backslashes stands before it.
  function stringEnd(text, start) {
    for (let i = start; ;) {
      i = text.indexOf('"', i + 1);
      if (i < 0) throw new SyntaxError('unterminated string');
      let before = i - 1;
      while (text.charCodeAt(before) === BACKSLASH) before--;
      if ((i - before) % 2 === 1) return i + 1;
    }
  }

  function scalarEnd(text, i) {
    while (i < text.length) {
      const c = text.charCodeAt(i);
      if (isSpace(c) || isClose(c) || c === COMMA || c === COLON) break;
      i++;
    }
    return i;
  }

  function valueEnd(text, i) {
    const first = text.charCodeAt(i);
    if (first === QUOTE) return stringEnd(text, i);
    if (!isOpen(first)) return scalarEnd(text, i);
    for (let depth = 0; i < text.length;) {
      const c = text.charCodeAt(i);
      if (c === QUOTE) { i = stringEnd(text, i); continue; }
      if (isOpen(c)) depth++;
      else if (isClose(c) && --depth === 0) return i + 1;
      i++;
    }
    throw new SyntaxError('unterminated value');
  }

  // The members of the outermost object, each value as the text it was sent as.
  function members(text) {
    const found = new Map();
    let i = skipSpace(text, 0);
    if (text[i] !== '{') throw new SyntaxError('not an object');
    i = skipSpace(text, i + 1);
    while (text[i] !== '}') {
      if (text.charCodeAt(i) !== QUOTE) throw new SyntaxError('key expected');
      const keyEnd = stringEnd(text, i);
      const key = JSON.parse(text.slice(i, keyEnd));
      i = skipSpace(text, keyEnd);
      if (text.charCodeAt(i) !== COLON) throw new SyntaxError('colon expected');
      i = skipSpace(text, i + 1);
      const end = valueEnd(text, i);
      if (end === i) throw new SyntaxError('value expected');
      found.set(key, text.slice(i, end));
      i = skipSpace(text, end);
      if (text.charCodeAt(i) === COMMA) i = skipSpace(text, i + 1);
      else if (text[i] !== '}') throw new SyntaxError('comma expected');
    }
    return found;
  }

  // Lays valid JSON out over lines without touching a token. emit(kind, text) is called in order.
  function layOut(text, emit) {
    let depth = 0;
    const line = () => emit('', '\n' + '  '.repeat(Math.min(depth, 60)));
    for (let i = skipSpace(text, 0); i < text.length; i = skipSpace(text, i)) {
      const c = text.charCodeAt(i);
      if (isOpen(c)) {
        const next = skipSpace(text, i + 1);
        if (isClose(text.charCodeAt(next))) {
          emit('', text[i] + text[next]);
          i = next + 1;
        } else {
          emit('', text[i++]);
          depth++;
          line();
        }
      } else if (isClose(c)) {
        depth--;
        line();
        emit('', text[i++]);
      } else if (c === COMMA) {
        emit('', ',');
        i++;
        line();
      } else if (c === COLON) {
        emit('', ': ');
        i++;
      } else {
        const end = Math.max(c === QUOTE ? stringEnd(text, i) : scalarEnd(text, i), i + 1);
        let kind = 'literal';
        if (c === QUOTE) kind = text.charCodeAt(skipSpace(text, end)) === COLON ? 'key' : 'string';
        else if (c === 45 || (c >= 48 && c <= 57)) kind = 'number';
        emit(kind, text.slice(i, end));
        i = end;
      }
    }
  }

  function laidOut(text) {
    let out = '';
    layOut(text, (kind, part) => { out += part; });
    return out;
  }

  function messageAsJson(m) {
    const head = `{"channel":${JSON.stringify(m.channel)},"seq":${m.seq},"id":${JSON.stringify(m.id)},"created_at":${JSON.stringify(m.createdAt)}${
      m.sender === undefined ? '' : `,"sender":${JSON.stringify(m.sender)}`}`;
    return m.raw === undefined ? `${head},"too_large":true}` : `${head},"data":${m.raw}}`;
  }

  // ---- Small helpers of the page

  function newUuid() {
    if (crypto.randomUUID) return crypto.randomUUID();
    // randomUUID exists only on https and localhost.
    const b = crypto.getRandomValues(new Uint8Array(16));
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    const hex = Array.from(b, (x) => x.toString(16).padStart(2, '0')).join('');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }

  async function copy(text, button) {
    let done = false;
    try {
      await navigator.clipboard.writeText(text);
      done = true;
    } catch {
      // The clipboard interface is absent on plain http away from localhost.
      const area = make('textarea', 'visually-hidden');
      area.value = text;
      document.body.append(area);
      area.select();
      done = document.execCommand('copy');
      area.remove();
      button.focus();
    }
    if (button.copyTimer) clearTimeout(button.copyTimer);
    else button.copyLabel = button.textContent;
    button.textContent = done ? 'Copied' : 'Not copied';
    button.copyTimer = setTimeout(() => {
      button.textContent = button.copyLabel;
      button.copyTimer = 0;
    }, 1200);
  }

  function channelProblem(name) {
    if (name === '') return 'A channel needs a name.';
    if (utf8.encode(name).length > 255) return 'A channel name has at most 255 bytes.';
    if (/\p{Cc}/u.test(name)) return 'A channel name has no control characters.';
    return '';
  }

  const two = (n) => String(n).padStart(2, '0');

  function clock(createdAt) {
    const t = new Date(createdAt);
    if (Number.isNaN(t.getTime())) return createdAt;
    const time = `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}.${String(t.getMilliseconds()).padStart(3, '0')}`;
    if (t.toDateString() === new Date().toDateString()) return time;
    return `${two(t.getMonth() + 1)}-${two(t.getDate())} ${time.slice(0, 8)}`;
  }

  const milliseconds = (ms) => `${ms < 10 ? ms.toFixed(1) : number.format(Math.round(ms))} ms`;

  const listed = (names) => (names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', '));

  const sqlText = (text) => `'${text.replaceAll("'", "''")}'`;

  // ---- Notices: what the person must not miss

  function notice(kind, key, text, action) {
    const list = $('notices');
    dropNotice(key);
    const item = make('div', `notice notice-${kind}`);
    item.dataset.key = key;
    item.append(make('span', 'notice-text', text));
    if (action) {
      const button = make('button', 'quiet', action.label);
      button.type = 'button';
      button.addEventListener('click', () => { item.remove(); action.run(); });
      item.append(button);
    }
    const close = make('button', 'x', '×');
    close.type = 'button';
    close.setAttribute('aria-label', 'Dismiss notice');
    close.addEventListener('click', () => item.remove());
    item.append(close);
    list.append(item);
    while (list.children.length > MAX_NOTICES) list.firstChild.remove();
  }

  // Whether there was one.
  function dropNotice(key) {
    const old = Array.from($('notices').children).find((item) => item.dataset.key === key);
    if (old) old.remove();
    return old !== undefined;
  }

  // ---- The session

  const link = {
    socket: null,
    state: 'closed',          // connecting | connected | reconnecting | closed
    why: '',
    attempt: 0,
    timer: 0,
    retryAt: 0,
    welcomedAt: 0,
    heardAt: 0,
    pingSentAt: 0,
    welcome: null,
    epoch: null,
    token: '',                // in memory only
    asksToken: false,
    signedIn: false,
    ready: false,             // frames may be sent: as a stranger where no token was given
  };
  let lastRef = 0;
  const waiting = new Map();  // ref -> what to do with its one answer

  function setState(state, why) {
    link.state = state;
    link.why = why;
    showState();
  }

  function showState() {
    const pill = $('state');
    const stranger = link.state === 'connected' && link.asksToken && !link.signedIn;
    const state = stranger ? 'waiting' : link.state;
    if (pill.dataset.state !== state) pill.dataset.state = state;
    setText($('state-text'), !stranger ? state : link.ready ? 'not signed in' : 'signing in');
    let why = link.why;
    if (link.state === 'reconnecting') {
      const seconds = Math.max(0, Math.ceil((link.retryAt - performance.now()) / 1000));
      why = `in ${seconds} s · ${why}`;
    }
    setText($('state-why'), why);
    $('state-why').title = link.why;
    setText($('link-button'), { connecting: 'Disconnect', connected: 'Disconnect', reconnecting: 'Retry now', closed: 'Connect' }[link.state]);
    $('publish-button').disabled = !link.ready;
    showAuthFact();
    view.emptyDirty = true;
    view.wake();
  }

  function connect() {
    clearTimeout(link.timer);
    dropSocket();
    setState('connecting', link.attempt ? `attempt ${link.attempt + 1}` : '');
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(`${scheme}//${location.host}/ws`);
    link.socket = socket;
    socket.onmessage = (e) => { if (link.socket === socket) onText(e.data); };
    socket.onclose = (e) => { if (link.socket === socket) onClose(e.code, e.reason); };
  }

  // Lets go of the socket without waiting for its close handshake, which a dead peer never answers.
  function dropSocket(code) {
    const socket = link.socket;
    link.socket = null;
    link.ready = false;
    link.signedIn = false;
    link.pingSentAt = 0;
    auth.expiresAt = 0;
    waiting.clear();
    for (const c of channels.values()) {
      clearTimeout(c.timer);
      if (!c.isOut()) c.setState('idle');
    }
    if (socket) socket.close(code);
  }

  function onClose(code, reason) {
    const welcomed = link.welcomedAt;
    if (welcomed && performance.now() - welcomed > STABLE_MS) link.attempt = 0;
    const hadToken = link.signedIn;
    link.welcomedAt = 0;
    dropSocket();
    const known = CLOSE_CODES[code] || { why: 'the session ended', again: true };
    const why = `${known.why} (${code}${reason && reason !== known.why ? `: ${reason}` : ''})`;
    if (known.token) {
      // Coming back with the same token, or with none, would end the same way.
      link.token = '';
      auth.ask(hadToken ? 'ended' : 'late');
    } else {
      auth.sessionOver();
    }
    if (!known.again) {
      setState('closed', why);
      return;
    }
    reconnectLater(why, known.atLeastMs || 0);
    if (!welcomed && code === 1006) askWhyNot();
  }

  function reconnectLater(why, atLeastMs) {
    const ceiling = Math.min(20000, 500 * 2 ** Math.min(link.attempt, 8));
    // Jitter: many pages that lost the same daemon must not come back in step.
    const delay = atLeastMs + ceiling * (0.5 + Math.random() / 2);
    link.attempt++;
    link.retryAt = performance.now() + delay;
    link.timer = setTimeout(connect, delay);
    setState('reconnecting', why);
  }

  // A refused upgrade looks like a lost connection to a page; the readiness probe tells more.
  async function askWhyNot() {
    let why;
    try {
      const answer = await fetch('/readyz', { cache: 'no-store' });
      why = answer.ok ? 'the upgrade was refused' : 'the daemon runs but is not ready: is Postgres up?';
    } catch {
      why = 'the daemon does not answer';
    }
    if (link.state === 'reconnecting') setState('reconnecting', why);
  }

  function disconnect() {
    clearTimeout(link.timer);
    link.welcomedAt = 0;
    link.attempt = 0;
    dropSocket(1000);
    auth.sessionOver();
    setState('closed', 'by you');
  }

  function sendText(text) {
    link.socket.send(text);
  }

  function request(frame, onAnswer) {
    const ref = ++lastRef;
    waiting.set(ref, onAnswer);
    sendText(JSON.stringify({ ...frame, ref }));
    return ref;
  }

  function onText(text) {
    link.heardAt = performance.now();
    let fields;
    try {
      fields = members(text);
    } catch (e) {
      notice('bad', 'frame', `A frame could not be read: ${e.message}.`);
      return;
    }
    const value = (key) => (fields.has(key) ? JSON.parse(fields.get(key)) : undefined);
    const type = value('type');
    if (value('epoch')) link.epoch = value('epoch');
    switch (type) {
      case 'message':
        onMessage({
          channel: value('channel'),
          seq: value('seq'),
          id: value('id'),
          createdAt: value('created_at') || '',
          sender: value('sender'),
          raw: fields.get('data'),
        });
        break;
      case 'welcome': onWelcome(JSON.parse(text)); break;
      case 'live': onLive(JSON.parse(text)); break;
      case 'reset': onReset(JSON.parse(text)); break;
      case 'epoch': onEpoch(); break;
      case 'unsubscribed': onUnsubscribed(JSON.parse(text)); break;
      case 'expiring': onExpiring(JSON.parse(text)); break;
      case 'ok':
      case 'error': {
        const frame = JSON.parse(text);
        const onAnswer = waiting.get(frame.ref);
        if (onAnswer) {
          waiting.delete(frame.ref);
          onAnswer(frame);
        } else if (type === 'error') {
          notice('bad', `error ${frame.code}`, `${frame.code}: ${frame.message}`);
        }
        break;
      }
      default: // A later version of the protocol may say more than this page knows.
    }
  }

  function onWelcome(frame) {
    link.welcome = frame;
    link.welcomedAt = performance.now();
    $('info-server').textContent = frame.server || '–';
    $('info-session').textContent = frame.session || '–';
    $('info-epoch').textContent = frame.epoch || '–';
    $('info-head').textContent = frame.head === undefined ? '–' : number.format(frame.head);
    $('info-ping').textContent = frame.ping_interval ? `${frame.ping_interval} s` : '–';
    $('info-frame').textContent = frame.max_frame ? `${number.format(frame.max_frame)} bytes` : '–';
    link.asksToken = frame.auth === 'required';
    setHead(frame.head);
    setState('connected', '');
    if (link.asksToken && link.token) {
      signIn(link.token);
      return;
    }
    if (link.asksToken) auth.ask('required');
    else auth.hide();
    begin();
  }

  // ---- Who we are: a token is asked for, sent, and forgotten when it is refused or has ended

  const auth = {
    why: '',                  // what the form is open for; empty: it is closed
    needing: '',              // what was last refused for want of a token
    expiresAt: 0,
    asked: 0,                 // tokens sent so far

    ask(why, byHand = false) {
      this.why = why;
      if (byHand) this.needing = '';
      $('auth').hidden = false;
      $('auth').dataset.why = why;
      this.draw();
      // Nobody who types elsewhere is interrupted.
      if (byHand || (why === 'required' && document.activeElement === document.body)) $('token').focus();
    },

    hide() {
      if (this.why === '') return;
      this.why = '';
      this.needing = '';
      const inside = $('auth').contains(document.activeElement);
      $('auth').hidden = true;
      $('token').value = '';
      this.fault('');
      if (inside) $('channel').focus();
    },

    fault(text) {
      $('auth-fault').hidden = text === '';
      setText($('auth-fault'), text);
      if (text) $('token').setAttribute('aria-invalid', 'true');
      else $('token').removeAttribute('aria-invalid');
    },

    // One sentence on what a token is for now.
    draw() {
      const left = Math.max(0, Math.ceil((this.expiresAt - performance.now()) / 1000));
      const locked = Array.from(channels.values()).filter((c) => c.state === 'locked').map((c) => c.name);
      const [title, hint] = {
        required: ['Sign in', this.needing
          || (locked.length ? `Subscribing to ${listed(locked)} needs a token.` : 'Without a token only what is open to everybody works.')],
        late: ['Sign in', 'The daemon ended the session because no valid token came in time.'],
        ended: ['Sign in again', 'The token has expired, so the session ended. With a new one it goes on where it stopped.'],
        expiring: [`The token expires in ${left} s`, 'With a new one this session goes on.'],
        change: ['Another token', 'It changes what this session may do, and no message is lost.'],
      }[this.why] || ['', ''];
      setText($('auth-title'), title);
      setText($('auth-hint'), hint);
    },

    // Something was refused for want of a token.
    lack(needing = '') {
      this.needing = needing;
      link.asksToken = true;
      link.signedIn = false;
      showState();
      this.ask('required');
    },

    // These two are about a session that is open.
    sessionOver() {
      if (this.why === 'expiring' || this.why === 'change') this.hide();
    },
  };

  function showAuthFact() {
    const asked = link.asksToken ? 'required' : 'none';
    setText($('info-auth-text'), !link.welcome ? '–' : link.signedIn ? 'signed in' : asked);
    $('info-auth-button').hidden = !link.asksToken || link.state !== 'connected';
    setText($('info-auth-button'), link.signedIn ? 'New token' : 'Sign in');
  }

  // On an open session too, where the new token takes the place of the old one.
  function signIn(token) {
    const frame = { type: 'auth', token };
    const limit = link.welcome.max_frame;
    if (limit && utf8.encode(JSON.stringify(frame)).length + 32 > limit) {
      auth.fault(`The daemon takes frames of ${number.format(limit)} bytes; this is larger.`);
      return;
    }
    const round = ++auth.asked;
    auth.fault('');
    showState();
    request(frame, (answer) => {
      if (answer.type === 'ok') {
        link.token = token;
        link.signedIn = true;
        auth.expiresAt = 0;
        auth.hide();
        if (link.ready) tryAgain(round);
      } else {
        if (!link.signedIn) {
          if (answer.code === 'unauthorized') link.token = '';
          auth.ask('required');
        }
        auth.fault(`${answer.code}: ${answer.message}`);
      }
      if (!link.ready) begin();
      showState();
    });
  }

  function onExpiring(frame) {
    auth.expiresAt = performance.now() + frame.in * 1000;
    auth.ask('expiring');
    $('announcer').textContent = `The token expires in ${frame.in} s`;
  }

  function begin() {
    link.ready = true;
    showState();
    ping();
    for (const c of channels.values()) subscribe(c);
    resendPublishes();
  }

  function ping() {
    const sent = performance.now();
    link.pingSentAt = sent;
    request({ type: 'ping' }, () => {
      link.pingSentAt = 0;
      $('info-rtt').textContent = milliseconds(performance.now() - sent);
    });
  }

  // A page never sees the pings of the socket, so it asks by frame when the line is silent.
  function checkLine(now) {
    if (!link.ready) return;
    if (link.pingSentAt && now - link.heardAt > PONG_DEADLINE_MS && now - link.pingSentAt > PONG_DEADLINE_MS) {
      onClose(1006, 'no answer to ping');
    } else if (!link.pingSentAt && now - link.heardAt > (link.welcome.ping_interval || 25) * 1000) {
      ping();
    }
  }

  // ---- Subscriptions

  const channels = new Map();

  class Channel {
    constructor(name, from) {
      this.name = name;
      this.from = from;         // 'now' or 'start', as chosen
      this.cursor = null;       // last seq that is behind us; null until the server has said one
      this.epoch = null;        // the epoch that numbers the cursor
      this.head = 0;            // the server's head when it answered
      this.state = 'idle';      // idle | pending | replay | live | locked (needs a token) | ended (by the daemon) | error
      this.problem = '';
      this.count = 0;
      this.tries = 0;
      this.timer = 0;
      this.endedIn = 0;         // auth.asked when the daemon ended it
      this.colour = freeColour(name);
      this.chip = makeChip(this);
    }

    setState(state, problem = '') {
      this.state = state;
      this.problem = problem;
      showChip(this);
      if (auth.why === 'required') auth.draw();
    }

    // The daemon has no subscription of ours here, and said so.
    isOut() {
      return this.state === 'locked' || this.state === 'ended' || this.state === 'error';
    }
  }

  // The same name gets the same colour on every page, unless a subscribed channel has it already.
  function freeColour(name) {
    let hash = 7;
    for (let i = 0; i < name.length; i++) hash = (hash * 31 + name.charCodeAt(i)) >>> 0;
    const taken = new Set(Array.from(channels.values(), (c) => c.colour));
    for (let i = 0; i < COLOURS; i++) {
      const colour = (hash + i) % COLOURS;
      if (!taken.has(colour)) return colour;
    }
    return hash % COLOURS;
  }

  function makeChip(c) {
    const item = make('li', `chip colour-${c.colour}`);
    item.dataset.channel = c.name;
    const main = make('button', 'chip-main');
    main.type = 'button';
    main.append(make('i', 'swatch'), make('span', 'chip-name', c.name), make('span', 'chip-state'), make('span', 'chip-count', '0'));
    main.addEventListener('click', () => {
      if (c.state === 'locked' && link.ready) auth.ask('required', true);
      else if (c.isOut() && link.ready) subscribe(c);
      else view.setSolo(view.solo === c.name ? null : c.name);
    });
    const close = make('button', 'x', '×');
    close.type = 'button';
    close.setAttribute('aria-label', `Unsubscribe from ${c.name}`);
    close.title = 'Unsubscribe';
    close.addEventListener('click', () => removeChannel(c));
    item.append(main, close);
    return item;
  }

  function showChip(c) {
    const chip = c.chip;
    chip.dataset.state = c.state;
    const words = { replay: 'catching up', locked: 'needs a token', ended: `ended: ${c.problem}`, error: c.problem.split(':')[0] };
    chip.querySelector('.chip-state').textContent = words[c.state] || '';
    const main = chip.querySelector('.chip-main');
    main.title = {
      locked: `${c.problem} (press to sign in)`,
      ended: `${endedWhy(c.problem)} (press to try again)`,
      error: `${c.problem} (press to try again)`,
    }[c.state] || `${c.name}: show only this channel`;
    chip.classList.toggle('solo', view.solo === c.name);
    // A switch for the list, but a plain button where pressing it signs in or tries again.
    if (c.isOut()) main.removeAttribute('aria-pressed');
    else main.setAttribute('aria-pressed', String(view.solo === c.name));
    view.emptyDirty = true;
    view.wake();
  }

  function addChannel(name, from) {
    const known = channels.get(name);
    if (known) {
      if (known.isOut() || from === 'start') {
        const wasOpen = known.state === 'live' || known.state === 'replay' || known.state === 'pending';
        if (wasOpen && link.ready) request({ type: 'unsubscribe', channel: name }, () => {});
        known.from = from;
        known.cursor = null;
        if (link.ready) subscribe(known);
      }
      known.chip.classList.remove('flash');
      requestAnimationFrame(() => known.chip.classList.add('flash'));
      remember();
      return;
    }
    const c = new Channel(name, from);
    channels.set(name, c);
    $('chips').append(c.chip);
    showChip(c);
    listChannels();
    remember();
    if (link.ready) subscribe(c);
  }

  function removeChannel(c) {
    clearTimeout(c.timer);
    channels.delete(c.name);
    const next = c.chip.nextElementSibling || c.chip.previousElementSibling;
    c.chip.remove();
    (next ? next.querySelector('.x') : $('channel')).focus();
    dropNotice(`channel ${c.name}`);
    if (dropNotice('ended')) showEnded();
    if (view.solo === c.name) view.setSolo(null);
    if (auth.why === 'required') auth.draw();
    if (link.ready && !c.isOut()) request({ type: 'unsubscribe', channel: c.name }, () => {});
    listChannels();
    remember();
    view.emptyDirty = true;
    view.wake();
  }

  function subscribe(c) {
    clearTimeout(c.timer);
    const frame = { type: 'subscribe', channel: c.name };
    if (c.cursor !== null) {
      frame.after = c.cursor;
      if (c.epoch) frame.epoch = c.epoch;
    } else if (c.from === 'start') {
      frame.after = 'start';
    }
    c.setState('pending');
    request(frame, (answer) => {
      if (channels.get(c.name) !== c) return;
      if (answer.type === 'ok') {
        c.tries = 0;
        c.head = answer.head || 0;
        sawHead(answer.head);
        // From now: everything up to this head is behind us, so a later return can ask for what follows it.
        if (frame.after === undefined) moveCursor(c, c.head);
        c.setState(frame.after === undefined || (c.cursor !== null && c.cursor >= c.head) ? 'live' : 'replay');
        dropNotice(`channel ${c.name}`);
        if (dropNotice('ended')) showEnded();
        return;
      }
      if (answer.code === 'unauthorized') {
        c.setState('locked', `${answer.code}: ${answer.message}`);
        auth.lack();
        return;
      }
      c.setState('error', `${answer.code}: ${answer.message}`);
      if (answer.retry) {
        const delay = Math.min(20000, 1000 * 2 ** Math.min(c.tries++, 5)) * (0.5 + Math.random() / 2);
        c.timer = setTimeout(() => { if (link.ready && channels.get(c.name) === c) subscribe(c); }, delay);
      }
      const action = frame.after === 'start'
        ? { label: 'Subscribe from now', run: () => { if (channels.get(c.name) === c) addChannel(c.name, 'now'); } }
        : null;
      notice('bad', `channel ${c.name}`, `Subscribing to ${c.name}: ${answer.code}: ${answer.message}`, action);
    });
  }

  // What was refused before may be allowed now; what the daemon ended over this very token is not.
  function tryAgain(round) {
    for (const c of channels.values()) {
      if (c.state === 'locked' || c.state === 'error' || (c.state === 'ended' && c.endedIn < round)) subscribe(c);
    }
  }

  const endedWhy = (reason) => (reason === 'forbidden' ? 'reading it is not allowed any more' : reason);

  function onUnsubscribed(frame) {
    const c = channels.get(frame.channel);
    if (!c || c.isOut()) return;
    clearTimeout(c.timer);
    c.endedIn = auth.asked;
    c.setState('ended', frame.reason);
    showEnded();
  }

  // One notice for all of them: a new token may end many at once.
  function showEnded() {
    const ended = Array.from(channels.values()).filter((c) => c.state === 'ended');
    if (!ended.length) return;
    const reasons = Array.from(new Set(ended.map((c) => endedWhy(c.problem)))).join(', ');
    notice('warn', 'ended', `The daemon ended ${listed(ended.map((c) => c.name))}: ${reasons}.`);
  }

  function moveCursor(c, seq) {
    if (c.cursor === null || seq > c.cursor) c.cursor = seq;
    c.epoch = link.epoch;
  }

  function onLive(frame) {
    sawHead(frame.seq);
    const c = channels.get(frame.channel);
    if (!c || c.state === 'pending' || c.isOut()) return;
    if (frame.seq !== undefined) moveCursor(c, frame.seq);
    c.setState('live');
  }

  // link.epoch is the new one by now. Subscriptions that can't go on in it get a reset each.
  function onEpoch() {
    setText($('info-epoch'), link.epoch);
    notice('warn', 'epoch', 'The log has a new epoch: a failover, or it was emptied or replaced. Subscriptions go on, unless a reset says otherwise.');
  }

  function onReset(frame) {
    setHead(frame.head);
    const c = channels.get(frame.channel);
    if (!c) return;
    const was = c.cursor;
    c.cursor = frame.head === undefined ? null : frame.head;
    c.epoch = link.epoch;
    if (c.state !== 'pending') c.setState('live');
    const since = was === null ? '' : ` after seq ${was}`;
    const kept = frame.oldest === undefined || frame.oldest === null ? '' : ` The oldest message kept is seq ${frame.oldest}.`;
    const why = {
      trimmed: `Some messages${since} on ${frame.channel} were removed by retention.${kept}`,
      epoch: `The log of ${frame.channel} was replaced, so what came${since} is unknown.`,
      ahead: `The last seq seen on ${frame.channel}${was === null ? '' : ` (${was})`} is beyond the log's head.`,
    }[frame.reason] || `The position on ${frame.channel} can't be honoured (${frame.reason}).`;
    notice('warn', `reset ${frame.channel}`, `Reset: ${why} Refetch your state; live from seq ${frame.head}.`);
  }

  function onMessage(m) {
    sawHead(m.seq);
    const c = channels.get(m.channel);
    // ok precedes the first message, so anything earlier belongs to a subscription already given up.
    if (!c || c.state === 'pending' || c.isOut()) return;
    if (c.cursor !== null && m.seq <= c.cursor) {
      notice('bad', `order ${c.name}`, `On ${c.name} seq ${m.seq} arrived after seq ${c.cursor}.`);
    }
    moveCursor(c, m.seq);
    if (c.state === 'replay' && m.seq >= c.head) c.setState('live');
    c.count++;
    view.receive(m, c);
  }

  function remember() {
    try {
      const list = Array.from(channels.values(), (c) => ({ name: c.name, from: c.from }));
      localStorage.setItem(STORAGE_KEY, JSON.stringify({ channels: list }));
    } catch { /* Storage may be switched off; the page works without it. */ }
  }

  function recall() {
    try {
      const stored = JSON.parse(localStorage.getItem(STORAGE_KEY) || '{}');
      for (const { name, from } of stored.channels || []) {
        if (typeof name === 'string' && !channelProblem(name)) addChannel(name, from === 'start' ? 'start' : 'now');
      }
    } catch { /* Nothing usable was stored. */ }
  }

  function listChannels() {
    $('known-channels').replaceChildren(...Array.from(channels.keys(), (name) => {
      const option = make('option');
      option.value = name;
      return option;
    }));
    const field = $('publish-channel');
    if (field.value === '' && channels.size) field.value = channels.keys().next().value;
  }

  // ---- Publishing

  const publishes = new Map();   // id -> a publish without its answer
  const latencies = [];

  function checkData() {
    const text = $('publish-data').value;
    const check = $('publish-check');
    let problem = '';
    if (text.trim() === '') problem = 'empty';
    else {
      try {
        JSON.parse(text);
      } catch (e) {
        problem = e.message;
      }
    }
    check.dataset.valid = String(problem === '');
    setText(check, problem === 'empty' ? '' : problem || 'Valid JSON');
    $('publish-data').setAttribute('aria-invalid', String(problem !== '' && problem !== 'empty'));
    return problem === 'empty' ? 'Write some JSON first.' : problem;
  }

  function refuse(field, text) {
    const check = $('publish-check');
    check.dataset.valid = 'false';
    setText(check, text);
    field.focus();
  }

  // The frame is put together as text, so what was typed is what is stored.
  function publishFrame(p, ref) {
    return `{"type":"publish","ref":${ref},"channel":${JSON.stringify(p.channel)},"id":"${p.id}","data":${p.raw}}`;
  }

  function publish() {
    const channel = $('publish-channel').value;
    const raw = $('publish-data').value.trim();
    const badChannel = channelProblem(channel);
    if (badChannel) return refuse($('publish-channel'), badChannel);
    const badData = checkData();
    if (badData) return refuse($('publish-data'), badData);
    if (!link.ready) return refuse($('publish-data'), 'Not connected.');
    const p = { id: newUuid(), channel, raw, sends: 0 };
    const limit = link.welcome.max_frame;
    const size = utf8.encode(publishFrame(p, lastRef + 1)).length;
    // The daemon ends the session over a frame too large; better to say so here.
    if (limit && size > limit) return refuse($('publish-data'), `The frame has ${number.format(size)} bytes; the daemon takes ${number.format(limit)}.`);
    p.item = makeReceipt(p);
    send(p);
    return undefined;
  }

  function send(p) {
    const ref = ++lastRef;
    p.sends++;
    p.sentAt = performance.now();
    publishes.set(p.id, p);
    waiting.set(ref, (answer) => {
      publishes.delete(p.id);
      const took = performance.now() - p.sentAt;
      if (answer.type === 'ok') {
        sawHead(answer.seq);
        latencies.push(took);
        if (latencies.length > 200) latencies.shift();
        showReceipt(p, 'ok', { seq: answer.seq, took, duplicate: answer.duplicate });
        view.figuresDirty = true;
        view.wake();
      } else {
        showReceipt(p, 'error', answer);
        if (answer.code === 'unauthorized') auth.lack(`Publishing on ${p.channel} needs a token.`);
      }
    });
    showReceipt(p, 'pending', {});
    sendText(publishFrame(p, ref));
  }

  // The answer to these was lost with the socket. The same id makes sending them again safe.
  function resendPublishes() {
    for (const p of Array.from(publishes.values())) send(p);
  }

  function makeReceipt(p) {
    const item = make('li', 'receipt');
    item.dataset.id = p.id;
    $('receipts').prepend(item);
    while ($('receipts').children.length > MAX_RECEIPTS) $('receipts').lastChild.remove();
    $('receipts-empty').hidden = true;
    return item;
  }

  function showReceipt(p, state, detail) {
    const item = p.item;
    item.dataset.state = state;
    const top = make('div', 'receipt-top');
    const channel = make('span', 'receipt-channel', p.channel);
    channel.title = p.channel;
    top.append(channel);
    const parts = [top];
    if (state === 'ok') {
      item.dataset.seq = detail.seq;
      top.append(make('span', 'receipt-seq', `seq ${detail.seq}`), make('span', 'receipt-took', milliseconds(detail.took)));
    } else if (state === 'pending') {
      top.append(make('span', 'receipt-took', p.sends > 1 ? 'sent again…' : 'sent…'));
    } else {
      top.append(make('span', 'receipt-code', detail.code));
    }
    const bottom = make('div', 'receipt-bottom');
    bottom.append(make('code', 'receipt-id', p.id));
    if (detail.duplicate) bottom.append(make('span', 'tag', 'duplicate'));
    if (state === 'error') {
      parts.push(make('p', 'receipt-error', detail.message));
      if (detail.retry || detail.code === 'unauthorized') {
        const again = make('button', 'link', 'Send again');
        again.type = 'button';
        again.addEventListener('click', () => { if (link.ready) send(p); });
        bottom.append(again);
      }
    }
    parts.push(bottom);
    item.replaceChildren(...parts);
  }

  // ---- The view: everything that changes with traffic is drawn once per animation frame

  let head = 0;
  function sawHead(seq) {
    if (seq > head) setHead(seq);
  }

  // Where the daemon says what the head is, it may be lower than what was seen: the log can be another one.
  function setHead(seq) {
    if (typeof seq !== 'number' || seq === head) return;
    head = seq;
    view.figuresDirty = true;
    view.wake();
  }

  const rowTemplate = $('row-template').content.firstElementChild;

  const view = {
    kept: [],                // oldest first
    keptChars: 0,
    fresh: [],               // arrived since the last animation frame
    waitingRows: [],         // would be drawn, were the list not held
    waitingCount: 0,
    total: 0,
    unannounced: 0,
    rows: 0,
    open: 0,
    partial: false,          // older rows were left out of a busy list
    busy: false,
    quietTimer: 0,
    paused: false,
    solo: null,
    query: '',
    touched: new Set(),      // channels whose count changed
    emptyDirty: true,
    figuresDirty: true,
    listDirty: false,
    scheduled: false,

    wake() {
      if (this.scheduled) return;
      this.scheduled = true;
      const frame = () => requestAnimationFrame(() => {
        this.scheduled = false;
        this.draw();
      });
      // In a flood the time between drawings belongs to the person's clicks and keys.
      if (this.busy) setTimeout(frame, 60);
      else frame();
    },

    receive(m, c) {
      m.colour = c.colour;
      m.number = this.total++;
      this.unannounced++;
      this.kept.push(m);
      this.keptChars += m.raw ? m.raw.length : 0;
      this.fresh.push(m);
      this.touched.add(c);
      rate.count();
      // A hidden page gets no animation frames, so what waits for one is bounded here.
      if (this.fresh.length > 2 * MAX_ROWS) this.settle();
      if (this.kept.length > MAX_KEPT * 1.1 || this.keptChars > MAX_KEPT_CHARS) this.trim();
      this.wake();
    },

    trim() {
      let drop = Math.max(0, this.kept.length - MAX_KEPT);
      let chars = this.keptChars;
      for (let i = 0; i < this.kept.length - 1 && (i < drop || chars > MAX_KEPT_CHARS * 0.9); i++) {
        chars -= this.kept[i].raw ? this.kept[i].raw.length : 0;
        drop = Math.max(drop, i + 1);
      }
      this.kept.splice(0, drop);
      this.keptChars = chars;
    },

    matches(m) {
      if (this.solo !== null && m.channel !== this.solo) return false;
      if (this.query === '') return true;
      // A line each: no query has a line end, so none is found across two.
      m.folded ??= `${m.channel}\n${m.sender ?? ''}\n${m.raw ?? ''}`.toLowerCase();
      return String(m.seq) === this.query || m.folded.includes(this.query);
    },

    setQuery(query) {
      if (query === this.query) return;
      this.query = query;
      // As large as the messages themselves, and of use only while something is looked for.
      if (query === '') for (const m of this.kept) delete m.folded;
      this.listDirty = true;
      this.emptyDirty = true;
      this.wake();
    },

    // Moves what arrived to the rows that wait to be drawn.
    settle() {
      for (const m of this.fresh) {
        if (!this.matches(m)) continue;
        this.waitingRows.push(m);
        this.waitingCount++;
      }
      this.fresh = [];
      if (this.waitingRows.length > MAX_ROWS) this.waitingRows.splice(0, this.waitingRows.length - MAX_ROWS);
    },

    // The list stands still while someone reads it.
    isHeld() {
      return this.paused || this.open > 0 || this.atTop === false;
    },

    atTop: true,

    draw() {
      this.settle();
      if (this.listDirty) {
        this.listDirty = false;
        this.redraw();
      } else if (this.isHeld()) {
        this.fill();
      } else if (this.waitingRows.length) {
        this.busy = this.waitingRows.length > BUSY_ARRIVALS;
        this.prepend(this.waitingRows, this.busy ? BUSY_ROWS : MAX_ROWS, true);
        this.waitingRows = [];
        this.waitingCount = 0;
        if (this.busy) {
          clearTimeout(this.quietTimer);
          this.quietTimer = setTimeout(() => { this.busy = false; this.fill(); this.wake(); }, 400);
        }
      }
      const heldButton = $('held');
      const heldCount = this.isHeld() ? this.waitingCount : 0;
      heldButton.hidden = heldCount === 0;
      if (heldCount) setText(heldButton, `${number.format(heldCount)} new · show`);
      for (const c of this.touched) c.chip.querySelector('.chip-count').textContent = number.format(c.count);
      if (this.touched.size || this.figuresDirty) this.drawFigures();
      this.touched.clear();
      if (this.emptyDirty || (this.rows === 0) === $('empty').hidden) this.drawEmpty();
    },

    prepend(messages, limit, glow) {
      const list = $('messages');
      const part = document.createDocumentFragment();
      const from = Math.max(0, messages.length - limit);
      for (let i = messages.length - 1; i >= from; i--) part.append(makeRow(messages[i]));
      // A glow tells single arrivals; in a stream it would only flicker.
      if (glow && messages.length <= 4) for (const row of part.children) row.classList.add('new');
      this.rows += messages.length - from;
      list.prepend(part);
      if (limit < MAX_ROWS && (from > 0 || this.rows > limit)) this.partial = true;
      while (this.rows > limit) {
        const last = list.lastChild;
        if (last.classList.contains('open')) this.open--;
        last.remove();
        this.rows--;
      }
    },

    // Puts the older rows back below, as soon as the stream is quiet or someone stops to read.
    fill() {
      if (!this.partial) return;
      this.partial = false;
      this.figuresDirty = true;
      const list = $('messages');
      if (!list.lastChild || !this.kept.length) return;
      const part = document.createDocumentFragment();
      // Numbers are given without holes and kept is only cut at its front, so the number finds the place.
      const oldest = rowMessages.get(list.lastChild).number - this.kept[0].number;
      for (let i = oldest - 1; i >= 0 && this.rows < MAX_ROWS; i--) {
        if (!this.matches(this.kept[i])) continue;
        part.append(makeRow(this.kept[i]));
        this.rows++;
      }
      list.append(part);
    },

    redraw() {
      $('messages').replaceChildren();
      this.rows = 0;
      this.open = 0;
      this.waitingRows = [];
      this.waitingCount = 0;
      const found = [];
      for (let i = this.kept.length - 1; i >= 0 && found.length < MAX_ROWS; i--) {
        if (this.matches(this.kept[i])) found.push(this.kept[i]);
      }
      this.partial = false;
      this.prepend(found.reverse(), MAX_ROWS, false);
      this.figuresDirty = true;
    },

    drawFigures() {
      this.figuresDirty = false;
      setText($('total'), number.format(this.total));
      setText($('head'), head ? number.format(head) : '–');
      // The column of seqs is as wide as the longest one can be.
      const digits = String(Math.max(4, String(head).length));
      const list = $('messages');
      if (list.style.getPropertyValue('--digits') !== digits) list.style.setProperty('--digits', digits);
      if (latencies.length) {
        const sorted = latencies.slice().sort((a, b) => a - b);
        setText($('p50'), milliseconds(sorted[(sorted.length - 1) >> 1]));
      }
      if (!this.partial) setText($('shown'), this.total ? `${number.format(this.rows)} shown` : '');
    },

    drawEmpty() {
      this.emptyDirty = false;
      $('empty').hidden = this.rows > 0;
      if (this.rows > 0) return;
      const filtered = this.query !== '' || this.solo !== null;
      const first = channels.size ? channels.keys().next().value : 'sports';
      $('try').hidden = this.total > 0;
      $('try-subscribe').hidden = channels.size > 0 || this.total > 0;
      let title = 'Nothing has arrived yet';
      let text = 'Subscribe to a channel, then insert a row from psql or any other program:';
      if (this.total > 0 && filtered && this.kept.length) {
        title = 'Nothing matches';
        text = 'Messages that match the filter will show up here.';
      } else if (this.total > 0) {
        title = 'All clear';
        text = 'New messages will show up here.';
      } else if (channels.size) {
        const heard = Array.from(channels.values()).filter((c) => !c.isOut()).map((c) => c.name);
        if (!link.ready) title = link.state === 'closed' ? 'Not connected' : 'Waiting for the daemon';
        else title = heard.length ? `Listening on ${listed(heard)}` : 'No subscription is open';
        text = 'Insert a row from psql or any other program, and it shows up here:';
      }
      setText($('empty-title'), title);
      setText($('empty-text'), text);
      setText($('try-sql'), `insert into queue.message (channel, data) values (${sqlText(first)}, '{"hello":"world"}');`);
    },

    setSolo(name) {
      this.solo = name;
      for (const c of channels.values()) showChip(c);
      $('chips').classList.toggle('has-solo', name !== null);
      this.listDirty = true;
      this.emptyDirty = true;
      this.wake();
    },

    setPaused(paused) {
      this.paused = paused;
      $('pause').classList.toggle('on', paused);
      setText($('pause'), paused ? 'Resume' : 'Pause');
      this.wake();
    },

    // Back to the newest message, whatever held the list.
    release() {
      for (const row of Array.from($('messages').querySelectorAll('.row.open'))) toggleRow(row);
      $('viewport').scrollTop = 0;
      this.atTop = true;
      this.setPaused(false);
    },

    clear() {
      this.kept = [];
      this.keptChars = 0;
      this.fresh = [];
      this.listDirty = true;
      this.emptyDirty = true;
      this.wake();
    },
  };

  const rowMessages = new WeakMap();

  function makeRow(m) {
    const row = rowTemplate.cloneNode(true);
    row.classList.add(`colour-${m.colour}`);
    row.dataset.seq = m.seq;
    rowMessages.set(row, m);
    const [seq, time, channel, data] = row.firstElementChild.children;
    seq.textContent = m.seq;
    time.textContent = clock(m.createdAt);
    time.dateTime = m.createdAt;
    channel.lastElementChild.textContent = m.channel;
    if (m.raw === undefined) {
      data.textContent = 'too large to deliver';
      data.classList.add('withheld');
    } else {
      data.textContent = m.raw.length > PREVIEW_CHARS ? `${m.raw.slice(0, PREVIEW_CHARS)}…` : m.raw;
    }
    return row;
  }

  function toggleRow(row) {
    const opened = row.classList.toggle('open');
    row.firstElementChild.setAttribute('aria-expanded', String(opened));
    view.open += opened ? 1 : -1;
    if (opened) row.append(makeDetail(rowMessages.get(row)));
    else row.lastElementChild.remove();
    view.wake();
  }

  function makeDetail(m) {
    const detail = make('div', 'detail');
    const facts = make('dl', 'facts detail-facts');
    const fact = (name, text) => facts.append(make('dt', '', name), make('dd', '', text));
    fact('channel', m.channel);
    fact('id', m.id);
    fact('created_at', m.createdAt);
    if (m.sender !== undefined) fact('sender', m.sender);
    detail.append(facts);
    if (m.raw === undefined) {
      detail.append(make('p', 'muted', 'The row is larger than max_delivery. Read it from queue.message by its id.'));
      return detail;
    }
    fact('size', `${number.format(utf8.encode(m.raw).length)} bytes`);

    const code = make('pre', 'code');
    code.tabIndex = 0;
    const bar = make('div', 'detail-bar');
    const choices = make('div', 'segments');
    choices.setAttribute('role', 'group');
    choices.setAttribute('aria-label', 'How data is shown');
    const buttons = ['Pretty', 'Raw'].map((label) => {
      const button = make('button', 'segment', label);
      button.type = 'button';
      button.addEventListener('click', () => show(label));
      choices.append(button);
      return button;
    });
    function show(label) {
      for (const button of buttons) button.setAttribute('aria-pressed', String(button.textContent === label));
      code.dataset.shown = label.toLowerCase();
      const cut = m.raw.length > PRETTY_CHARS;
      code.replaceChildren();
      if (cut) {
        code.append(m.raw.slice(0, PRETTY_CHARS), make('span', 'cut', `\n… ${number.format(m.raw.length - PRETTY_CHARS)} more characters; Copy data has them all`));
      } else if (label === 'Raw') {
        code.textContent = m.raw;
      } else {
        layOut(m.raw, (kind, text) => code.append(kind ? make('span', `json-${kind}`, text) : text));
      }
    }
    const action = (label, run) => {
      const button = make('button', 'quiet', label);
      button.type = 'button';
      button.addEventListener('click', () => run(button));
      bar.append(button);
    };
    bar.append(choices);
    action('Copy data', (button) => copy(m.raw, button));
    action('Copy message', (button) => copy(messageAsJson(m), button));
    action('Edit and publish', () => {
      $('publish-channel').value = m.channel;
      $('publish-data').value = m.raw;
      checkData();
      $('publish-data').focus();
    });
    show('Pretty');
    detail.append(bar, code);
    return detail;
  }

  // ---- Rates

  const rate = {
    buckets: new Array(RATE_SECONDS).fill(0),
    second: Math.floor(performance.now() / 1000),

    advance() {
      const now = Math.floor(performance.now() / 1000);
      for (let s = Math.max(this.second + 1, now - RATE_SECONDS + 1); s <= now; s++) this.buckets[s % RATE_SECONDS] = 0;
      this.second = now;
    },

    count() {
      this.advance();
      this.buckets[this.second % RATE_SECONDS]++;
    },

    // The second under way is left out: it would read as a drop.
    draw() {
      this.advance();
      const past = [];
      for (let i = RATE_SECONDS - 1; i >= 1; i--) past.push(this.buckets[(this.second - i + RATE_SECONDS * 1000) % RATE_SECONDS]);
      const mean = past.slice(-5).reduce((a, b) => a + b, 0) / 5;
      setText($('rate'), mean === 0 ? '0' : mean < 10 ? mean.toFixed(1) : number.format(Math.round(mean)));
      const peak = Math.max(...past);
      setText($('spark-peak'), peak ? `peak ${number.format(peak)}` : '');
      let bars = '';
      let base = '';
      past.forEach((n, i) => {
        base += `M${i + 0.2} 98h.6v2h-.6z`;
        if (n) {
          const height = Math.max(4, (n / peak) * 96);
          bars += `M${i + 0.2} ${(100 - height).toFixed(1)}h.6V100h-.6z`;
        }
      });
      $('spark-base').setAttribute('d', base);
      $('spark-bars').setAttribute('d', bars);
    },
  };

  let ticks = 0;
  setInterval(() => {
    rate.draw();
    checkLine(performance.now());
    if (link.state === 'reconnecting') showState();
    if (auth.why === 'expiring') auth.draw();
    // A screen reader gets a sum now and then, not every row.
    if (++ticks % 5 === 0 && view.unannounced) {
      $('announcer').textContent = `${number.format(view.unannounced)} new messages, ${number.format(view.total)} in all`;
      view.unannounced = 0;
    }
  }, 1000);

  // ---- Controls

  $('link-button').addEventListener('click', () => {
    if (link.state === 'connected' || link.state === 'connecting') disconnect();
    else connect();
  });

  $('auth').addEventListener('submit', (e) => {
    e.preventDefault();
    // Pasted with the name of the scheme in front, as it stands in a header.
    const token = $('token').value.trim().replace(/^bearer\s+/i, '');
    $('token').value = '';
    if (!token) return;
    if (link.state === 'connected') {
      signIn(token);
    } else {
      link.token = token;
      connect();
    }
  });

  $('auth-hide').addEventListener('click', () => auth.hide());
  $('info-auth-button').addEventListener('click', () => auth.ask(link.signedIn ? 'change' : 'required', true));

  $('subscribe').addEventListener('submit', (e) => {
    e.preventDefault();
    const field = $('channel');
    const problem = channelProblem(field.value);
    $('channel-error').hidden = !problem;
    setText($('channel-error'), problem);
    field.setAttribute('aria-invalid', String(problem !== ''));
    if (problem) return;
    addChannel(field.value, e.target.elements.from.value);
    field.value = '';
  });

  $('channel').addEventListener('input', () => {
    $('channel-error').hidden = true;
    $('channel').removeAttribute('aria-invalid');
  });

  $('try-subscribe').addEventListener('click', () => addChannel('sports', 'now'));
  $('try-copy').addEventListener('click', (e) => copy($('try-sql').textContent, e.currentTarget));

  let filterTimer = 0;
  $('filter').addEventListener('input', () => {
    clearTimeout(filterTimer);
    filterTimer = setTimeout(() => view.setQuery($('filter').value.trim().toLowerCase()), FILTER_PAUSE_MS);
  });

  $('pause').addEventListener('click', () => view.setPaused(!view.paused));
  $('clear').addEventListener('click', () => view.clear());
  $('held').addEventListener('click', () => view.release());
  $('copy-all').addEventListener('click', (e) => {
    const texts = view.kept.filter((m) => view.matches(m)).map(messageAsJson);
    copy(texts.length ? `[\n${texts.join(',\n')}\n]` : '[]', e.currentTarget);
  });

  $('viewport').addEventListener('scroll', () => {
    const atTop = $('viewport').scrollTop <= 4;
    if (atTop === view.atTop) return;
    view.atTop = atTop;
    view.wake();
  }, { passive: true });

  $('messages').addEventListener('click', (e) => {
    const rowHead = e.target.closest('.row-head');
    if (rowHead) toggleRow(rowHead.parentElement);
  });

  $('messages').addEventListener('keydown', (e) => {
    const row = e.target.closest('.row');
    if (!row || !e.target.classList.contains('row-head')) return;
    const next = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling }[e.key];
    if (!next) return;
    e.preventDefault();
    next.firstElementChild.focus();
  });

  $('publish').addEventListener('submit', (e) => {
    e.preventDefault();
    publish();
  });

  $('publish').addEventListener('keydown', (e) => {
    if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) {
      e.preventDefault();
      publish();
    }
  });

  $('publish-data').addEventListener('input', checkData);

  $('format').addEventListener('click', () => {
    const field = $('publish-data');
    const problem = checkData();
    if (problem) refuse(field, problem);
    else field.value = laidOut(field.value);
  });

  document.addEventListener('keydown', (e) => {
    if (e.key !== '/' || e.ctrlKey || e.metaKey || e.altKey) return;
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) return;
    e.preventDefault();
    $('filter').focus();
  });

  addEventListener('online', () => { if (link.state === 'reconnecting') connect(); });
  // A page kept for the back button comes back with a dead socket.
  addEventListener('pageshow', (e) => { if (e.persisted && link.state !== 'closed') connect(); });

  $('publish-data').value = '{\n  "hello": "world"\n}';
  checkData();
  rate.draw();
  recall();
  connect();
})();
