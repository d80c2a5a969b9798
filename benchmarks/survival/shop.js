// The service of the survival benchmark: a shop of two pages that can be broken in all the ways that instances break.
//
//   GET /          a page of 2 KiB after WORK ms
//   POST /orders   under the id in X-Order-Id: written to JOURNAL before the work; one that carries an Idempotency-Key
//                  and is there already is not done again, whichever instance had it
//   GET /healthz   200; 503 once asked to stop, and in the mode `unavailable`
//
// It tells where it is in ANNOUNCE/NAME.json: pid, port, zone, and the port of its control, which takes
//
//   GET /mode/NAME   one of MODES, from now on
//   GET /arrivals    requests of users: when each came, in seconds of the machine's monotonic clock, and of which class it is
//
// With CAPACITY, it does one request after another, each for so many ms, and lets the others wait without bound:
// then it can be overloaded.
'use strict';

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');

const { PORT, ANNOUNCE, JOURNAL, KEYS } = process.env;
const HOST = '127.0.0.1';
const NAME = process.env.MAINSTAY_INSTANCE;
const WORK = Number(process.env.WORK || 10);
const CAPACITY = Number(process.env.CAPACITY || 0);
const SLOW = 2000; // what `slow` adds, and what `slower` comes to after SLOPE
const SLOPE = 4000;
const FLAP = 500; // how long `flapping` is well, and how long it is not
const ERRORS = 0.3; // the share of requests that `errors` fails
const PAGE = 'x'.repeat(2048);

let mode = 'well';
let since = 0;
let stopping = false;
let free = 0; // when the last of those who wait will be done
const arrivals = [];

const now = () => Number(process.hrtime.bigint()) / 1e9;

// What each mode does with a request of a user: true if it has dealt with it.
const MODES = {
  well: () => false,
  unavailable: (request, response) => answer(response, 503, { error: 'unavailable' }),
  errors: (request, response) => Math.random() < ERRORS && answer(response, 500, { error: 'bug' }),
  slow: () => false,
  slower: () => false,
  closing: (request) => request.socket.destroy(),
  dying: () => false, // in the middle of its answer
  stalling: () => false, // likewise, and says no more
  flapping: (request, response) =>
    Math.floor(((now() - since) * 1000) / FLAP) % 2 === 0 && answer(response, 503, { error: 'flapping' }),
};

function delay() {
  if (CAPACITY) {
    const at = now() * 1000;
    free = Math.max(at, free) + CAPACITY;
    return free - at;
  }
  if (mode === 'slow') return WORK + SLOW;
  if (mode === 'slower') return WORK + Math.min(1, ((now() - since) * 1000) / SLOPE) * SLOW;
  return WORK;
}

const server = http.createServer((request, response) => {
  if (request.url === '/healthz') {
    answer(response, stopping || mode === 'unavailable' ? 503 : 200, { NAME });
    return;
  }
  const posted = 'idempotency-key' in request.headers ? 'keyed' : 'post';
  arrivals.push([now(), request.method === 'POST' ? posted : 'get']);
  // A connection that it destroyed has nothing more to tell.
  if (MODES[mode](request, response) !== false) return;
  if (request.method === 'POST') take(request, response);
  else setTimeout(answer, delay(), response, 200, { NAME, PAGE });
});

function take(request, response) {
  request.resume();
  request.on('end', () => {
    const id = request.headers['x-order-id'];
    const done = 'idempotency-key' in request.headers && known(id);
    // One write in append mode: lines of several instances do not mix.
    if (!done) fs.appendFileSync(JOURNAL, `${id} ${NAME} ${process.pid}\n`);
    setTimeout(answer, delay(), response, done ? 200 : 201, { id, PAGE }, { 'X-Order-Id': id });
  });
}

// Whether another instance has had this key: only one of them can make its file.
function known(id) {
  try {
    fs.closeSync(fs.openSync(path.join(KEYS, id), 'wx'));
    return false;
  } catch (problem) {
    if (problem.code !== 'EEXIST') throw problem;
    return true;
  }
}

function answer(response, status, said, headers = {}) {
  const body = JSON.stringify(said);
  if (stopping) headers.Connection = 'close';
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    ...headers,
  });
  if (status < 300 && PAGE === said.PAGE && (mode === 'dying' || mode === 'stalling')) {
    response.write(body.slice(0, body.length / 2), () => mode === 'dying' && response.socket.destroy());
  } else {
    response.end(body);
  }
  return true;
}

// Longer than whoever is in front keeps idle connections: it is never the server that closes one just as a
// request is on its way, which is not what is measured here.
server.keepAliveTimeout = 75_000;
server.headersTimeout = 80_000;

const control = http.createServer((request, response) => {
  const [, what, name] = request.url.split('/');
  if (what === 'mode' && name in MODES) {
    mode = name;
    since = now();
    response.end();
  } else if (what === 'arrivals') {
    response.end(JSON.stringify(arrivals));
  } else {
    response.writeHead(404).end();
  }
});

process.on('SIGTERM', () => {
  stopping = true;
  // Ends the idle connections, lets what is in progress finish, then there is nothing left to run for.
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});

server.listen(Number(PORT), HOST, () => {
  control.listen(0, HOST, () => {
    const file = path.join(ANNOUNCE, `${NAME}.json`);
    const zone = process.env.MAINSTAY_ZONE;
    const told = { name: NAME, zone, pid: process.pid, port: Number(PORT), control: control.address().port };
    fs.writeFileSync(`${file}.new`, JSON.stringify(told));
    fs.renameSync(`${file}.new`, file);
  });
});
