// BullMQ. One Worker with the given concurrency on ioredis, which its documentation names first.
//
// - Jobs are added by addBulk, 1,000 in a transaction.
// - removeOnComplete, as the documentation recommends for production; without it Redis keeps every job that is done.
//
// kill -9: nothing is lost. A job in flight has a lock of 30 seconds; when that has ended, the stalled check requeues it.
import { createRequire } from 'node:module';
import IORedis from 'ioredis';
import { Queue, Worker } from 'bullmq';

const { REDIS_URL, EMAIL } = process.env;
const BATCH = 1000;
const [step, ...numbers] = process.argv.slice(2);
await { enqueue, work }[step](...numbers.map(Number));

async function enqueue(emails, limit) {
  const queue = new Queue('emails', { connection: new IORedis(REDIS_URL, { maxRetriesPerRequest: null }) });
  const deadline = performance.now() + limit * 1000;
  let added = 0;
  while (added < emails && performance.now() < deadline) {
    const batch = [];
    for (; batch.length < BATCH && added < emails; added++) batch.push({ name: 'email', data: email(added) });
    await queue.addBulk(batch);
  }
  report({ emails: added, version: `${createRequire(import.meta.url)('bullmq/package.json').version} (Node ${process.version})` });
}

function work(emails, concurrency, limit) {
  let handled = 0, first, last;
  const done = () => report({ emails: handled, seconds: handled ? (last - first) / 1000 : 0 });
  const handler = async () => {
    last = performance.now();
    first ??= last;
    if (++handled === emails) done();
  };
  const connection = new IORedis(REDIS_URL, { maxRetriesPerRequest: null });
  new Worker('emails', handler, { connection, concurrency, removeOnComplete: { count: 0 } });
  setTimeout(done, limit * 1000);
}

function email(number) {
  return JSON.parse(EMAIL.replaceAll('000000000000', String(number).padStart(12, '0')));
}

function report(result) {
  console.log(JSON.stringify(result));
  process.exit();
}
