// A shop of two pages, without dependencies: what a service needs so that its instances may die.
//
//   GET /          the front page: ~10 ms of work, and which instance did it
//   POST /orders   {"id": "a1"}: written to the journal before it is acknowledged
//   GET /healthz   200, or 503 once it has been asked to stop
'use strict';

const { randomUUID } = require('node:crypto');
const { appendFileSync } = require('node:fs');
const http = require('node:http');

const port = Number(process.env.PORT || 3000);
const host = process.env.HOST || '127.0.0.1';
const instance = process.env.MAINSTAY_INSTANCE || 'web-1';
const journal = process.env.JOURNAL; // a line `id instance pid` per order; none unless told

let stopping = false;

const server = http.createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost');
  const route = `${request.method} ${pathname}`;
  if (route === 'GET /' || route === 'HEAD /') {
    setTimeout(answer, 10, response, 200, { instance, pid: process.pid });
  } else if (route === 'POST /orders') {
    take(request, response);
  } else if (route === 'GET /healthz') {
    answer(response, stopping ? 503 : 200, { instance });
  } else {
    answer(response, 404, { error: `${route} is not here` });
  }
});

function take(request, response) {
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => {
    let id;
    try {
      const body = Buffer.concat(pieces).toString();
      id = (body && JSON.parse(body).id) || request.headers['x-order-id'] || randomUUID();
    } catch {
      id = undefined;
    }
    if (typeof id !== 'string' || !/^[\w.:-]{1,128}$/.test(id)) {
      answer(response, 400, { error: 'send JSON like {"id": "a1"}' });
      return;
    }
    // One write in append mode: lines of several instances do not mix.
    if (journal) appendFileSync(journal, `${id} ${instance} ${process.pid}\n`);
    setTimeout(answer, 10, response, 201, { id, instance }, { 'X-Order-Id': id });
  });
}

function answer(response, status, said, headers = {}) {
  const body = JSON.stringify(said);
  if (stopping) headers.Connection = 'close';
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    ...headers,
  });
  response.end(body);
}

// Longer than whoever is in front keeps idle connections (60 s): then it is never the server that closes one
// just as a request is on its way. Node's default of 5 s loses requests behind every proxy.
server.keepAliveTimeout = 75_000;
server.headersTimeout = 80_000;

process.on('SIGTERM', () => {
  stopping = true;
  // Ends the idle connections, lets what is in progress finish, then there is nothing left to run for.
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});

server.on('error', (problem) => {
  console.error(`cannot listen on ${host}:${port}: ${problem.message}`);
  process.exit(1);
});
server.listen(port, host, () => {
  console.log(`${instance} listens on ${host}:${server.address().port}, pid ${process.pid}`);
});
