// SPDX-License-Identifier: Apache-2.0
// node echo.mjs server PORT | client HOST PORT FILE COUNT: an HTTP server that echoes what is posted to it, and a client
// that posts a file so many times at once over connections that are kept. Exit status 1 where anything came back changed.
import { readFileSync } from 'node:fs';
import http from 'node:http';

const [role, ...rest] = process.argv.slice(2);

function serve(port) {
  http.createServer((request, response) => request.pipe(response)).listen(Number(port), '::');
}

function post(options, body) {
  return new Promise((resolve, reject) => {
    const request = http.request(options, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => resolve(Buffer.concat(parts).equals(body)));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

async function ask(host, port, file, count) {
  const body = readFileSync(file);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  const options = { host, port, agent, method: 'POST' };
  const same = await Promise.all(Array.from({ length: Number(count) }, () => post(options, body)));
  agent.destroy();
  process.exitCode = same.every(Boolean) ? 0 : 1;
}

if (role === 'server') serve(...rest);
else await ask(...rest);
