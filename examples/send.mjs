// Hands in one email from Node, by nothing but its own fetch, and waits until it is sent. README.md says which variables
// it takes and how it ends.

import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";

const { EMAIL_API_URL = "http://127.0.0.1:3000", EMAIL_API_KEY, EMAIL_FROM } = process.env;

const [recipient] = process.argv.slice(2);
if (!recipient) end(64, "usage: node send.mjs RECIPIENT");

const id = await handIn({ from: EMAIL_FROM, to: recipient, subject: "Hello from Node", message: "Hello" });
console.log(`accepted as ${id}`);
await sent(id);

async function handIn(email) {
  // Made up once and sent each time: it is one email, however often it is posted.
  const headers = { "Content-Type": "application/json", "Idempotency-Key": randomUUID() };
  for (let attempt = 1; attempt <= 5; attempt++) {
    const response = await ask("/emails", { method: "POST", headers, body: JSON.stringify(email) });
    if (response?.ok) return (await response.json()).id;
    // No answer, too many, or no Redis: the same again.
    if (response && response.status !== 429 && response.status !== 503) end(1, await response.text());
    console.error(`${response?.status ?? "no answer"}; trying again`);
    await wait(1000 * Number(response?.headers.get("retry-after") ?? 1));
  }
  end(2, "given up");
}

async function sent(id) {
  for (let second = 0; second < 60; second++) {
    const response = await ask(`/emails/${id}`, {});
    const { last_event: event, error } = response?.ok ? await response.json() : {};
    if (event === "sent") return console.log("sent");
    if (event === "failed" || event === "canceled") end(1, `${event}: ${JSON.stringify(error)}`);
    await wait(1000);
  }
  end(2, "not sent yet; it stays in the queue");
}

/** The answer, or undefined when there is none. */
function ask(path, options) {
  const headers = { ...options.headers, ...(EMAIL_API_KEY && { Authorization: `Bearer ${EMAIL_API_KEY}` }) };
  return fetch(EMAIL_API_URL + path, { ...options, headers, signal: AbortSignal.timeout(60_000) }).catch(() => undefined);
}

function end(code, message) {
  console.error(message);
  process.exit(code);
}
