// The API that a Node project would write: fastify takes an email, and BullMQ's Queue.add puts it on a queue in Redis. One
// process, as both come; fastify checks the body against a schema, which it compiles once.
//
// It prints `Serving http://ADDRESS` once it listens.
import Fastify from 'fastify';
import IORedis from 'ioredis';
import { Queue } from 'bullmq';

const queue = new Queue('emails', { connection: new IORedis(process.env.REDIS_URL, { maxRetriesPerRequest: null }) });
const app = Fastify();

const text = { type: 'string' };
const body = {
  type: 'object',
  required: ['from', 'to', 'subject'],
  properties: { from: text, to: { type: 'array', items: text }, subject: text, text, html: text },
};

app.post('/emails', { schema: { body } }, async (request) => {
  const job = await queue.add('email', request.body);
  return { id: job.id };
});
app.get('/healthz', async () => ({ status: 'ok' }));

console.log(`Serving ${await app.listen({ host: '127.0.0.1', port: 0 })}`);
