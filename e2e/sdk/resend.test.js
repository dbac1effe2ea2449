// What a program written for Resend does, by the official SDK as it is published. tests/resend_sdk.rs starts the servers
// and runs this with
//   NODE_PATH         where the SDK is installed
//   RESEND_BASE_URL   the API, which the SDK reads by itself
//   LIMITED_BASE_URL  the same queue behind an API that serves one request a second
// and afterwards looks at what has arrived by SMTP.

"use strict";

const assert = require("node:assert/strict");
const test = require("node:test");
const { Resend } = require("resend");

const resend = new Resend("re_full");
const UNKNOWN = "01890a5d-ac96-774b-bcce-b302099a8057";
const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

const email = (subject, more = {}) => ({
  from: "Acme <hello@acme.example>",
  to: "ada@example.com",
  subject,
  text: `The text of ${subject}`,
  ...more,
});

/** What a call must give: its data, and no error. */
async function data(call) {
  const answer = await call;
  assert.equal(answer.error, null, JSON.stringify(answer));
  return answer.data;
}

/** What a call must be refused with. */
async function assertRefused(call, statusCode, name, mention = /./) {
  const answer = await call;
  assert.equal(answer.data, null, `not refused with ${statusCode} ${name} that mentions ${mention}`);
  assert.deepEqual(Object.keys(answer.error).sort(), ["message", "name", "statusCode"]);
  assert.deepEqual([answer.error.statusCode, answer.error.name], [statusCode, name], answer.error.message);
  assert.match(answer.error.message, mention);
}

/** Asks until the email has come so far. */
async function untilLastEvent(id, event) {
  const deadline = Date.now() + 30e3;
  for (;;) {
    const found = await data(resend.emails.get(id));
    if (found.last_event === event) return found;
    assert.ok(["queued", "scheduled"].includes(found.last_event) && Date.now() < deadline, JSON.stringify(found));
  }
}

const everyId = async (options) => (await data(resend.emails.list(options))).data.map((item) => item.id);

test("an email with everything in it is sent, and can be read", async () => {
  const { id } = await data(
    resend.emails.send(
      email("everything", {
        to: ["Ada Lovelace <ada@example.com>", "bob@example.com"],
        cc: "carol@example.com",
        bcc: ["dan@example.com"],
        replyTo: "support@acme.example",
        html: "<p>The HTML of <b>everything</b></p>",
        headers: { "X-Entity-Ref-ID": "42" },
        tags: [{ name: "category", value: "test" }],
      }),
    ),
  );
  assert.match(id, ID);
  const sent = await untilLastEvent(id, "sent");
  assert.equal(sent.object, "email");
  assert.equal(sent.id, id);
  assert.equal(sent.message_id, `<${id}@acme.example>`);
  assert.equal(sent.from, "Acme <hello@acme.example>");
  assert.deepEqual(sent.to, ["Ada Lovelace <ada@example.com>", "bob@example.com"]);
  assert.deepEqual(sent.cc, ["carol@example.com"]);
  assert.deepEqual(sent.bcc, ["dan@example.com"]);
  assert.deepEqual(sent.reply_to, ["support@acme.example"]);
  assert.equal(sent.subject, "everything");
  assert.equal(sent.html, "<p>The HTML of <b>everything</b></p>");
  assert.equal(sent.text, "The text of everything");
  assert.deepEqual(sent.tags, [{ name: "category", value: "test" }]);
  assert.match(sent.created_at, TIME);
  assert.equal(sent.scheduled_at, null);
});

test("attachments are listed, described, and downloaded without the key", async () => {
  const bytes = Buffer.from([0, 1, 2, 253, 254, 255]);
  const { id } = await data(
    resend.emails.create(
      email("attachments", {
        html: '<img src="cid:logo">',
        attachments: [
          { filename: "bytes.bin", content: bytes },
          { filename: "logo.png", content: bytes.toString("base64"), contentType: "image/png", contentId: "logo" },
        ],
      }),
    ),
  );
  const list = await data(resend.emails.attachments.list({ emailId: id }));
  assert.deepEqual([list.object, list.has_more, list.data.length], ["list", false, 2]);
  const [first, second] = list.data;
  assert.deepEqual(
    [first.filename, first.size, first.content_type, first.content_disposition, first.content_id],
    ["bytes.bin", 6, "application/octet-stream", "attachment", null],
  );
  assert.deepEqual(
    [second.filename, second.size, second.content_type, second.content_disposition, second.content_id],
    ["logo.png", 6, "image/png", "inline", "logo"],
  );
  const page = await data(resend.emails.attachments.list({ emailId: id, limit: 1 }));
  assert.deepEqual([page.has_more, page.data.map((item) => item.id)], [true, [first.id]]);
  const next = await data(resend.emails.attachments.list({ emailId: id, limit: 1, after: first.id }));
  assert.deepEqual([next.has_more, next.data.map((item) => item.id)], [false, [second.id]]);
  const before = await data(resend.emails.attachments.list({ emailId: id, before: second.id }));
  assert.deepEqual(before.data.map((item) => item.id), [first.id]);

  for (const { id: attachmentId } of list.data) {
    const attachment = await data(resend.emails.attachments.get({ emailId: id, id: attachmentId }));
    assert.deepEqual([attachment.object, attachment.id, attachment.size], ["attachment", attachmentId, 6]);
    const hour = Date.parse(attachment.expires_at) - Date.now();
    assert.ok(hour > 3500e3 && hour <= 3600e3, attachment.expires_at);
    const download = await fetch(attachment.download_url);
    assert.equal(download.status, 200);
    assert.deepEqual(Buffer.from(await download.arrayBuffer()), bytes);
    assert.equal(download.headers.get("content-type"), attachment.content_type);
    assert.equal((await fetch(`${attachment.download_url}0`)).status, 403);
  }
  await assertRefused(resend.emails.attachments.get({ emailId: id, id: UNKNOWN }), 404, "not_found", /Attachment/);
  await assertRefused(resend.emails.attachments.list({ emailId: UNKNOWN }), 404, "not_found", /Email/);
});

test("a repeated request with the same idempotency key sends nothing twice", async () => {
  const options = { idempotencyKey: "welcome/1" };
  const first = await data(resend.emails.send(email("idempotent"), options));
  assert.deepEqual(await data(resend.emails.send(email("idempotent"), options)), first);
  await assertRefused(resend.emails.send(email("another"), options), 409, "invalid_idempotent_request");
  const key = (length) => ({ idempotencyKey: "k".repeat(length) });
  await data(resend.emails.send(email("longest key"), key(256)));
  await assertRefused(resend.emails.send(email("another"), key(257)), 400, "invalid_idempotency_key");

  const emails = [email("idempotent batch 1"), email("idempotent batch 2")];
  const batch = await data(resend.batch.send(emails, { idempotencyKey: "batch/1" }));
  assert.deepEqual(await data(resend.batch.send(emails, { idempotencyKey: "batch/1" })), batch);
  const other = resend.batch.send([emails[0]], { idempotencyKey: "batch/1" });
  await assertRefused(other, 409, "invalid_idempotent_request");
});

test("a strict batch is accepted as a whole, or not at all", async () => {
  const accepted = await data(resend.batch.send([email("batch 1"), email("batch 2")]));
  assert.deepEqual(Object.keys(accepted), ["data"]);
  for (const [place, { id }] of accepted.data.entries()) {
    assert.equal((await untilLastEvent(id, "sent")).subject, `batch ${place + 1}`);
  }
  const before = await everyId({ limit: 100 });
  const bad = resend.batch.send([email("not sent"), email("not sent", { to: "nobody" })]);
  await assertRefused(bad, 422, "validation_error", /\[1\]\.to/);
  await assertRefused(resend.batch.create(Array(101).fill(email("not sent"))), 422, "validation_error", /100/);
  await assertRefused(resend.batch.send([]), 422, "validation_error");
  assert.deepEqual(await everyId({ limit: 100 }), before);
});

test("a permissive batch is accepted but for the bad emails, which are named", async () => {
  const options = { batchValidation: "permissive" };
  const emails = [email("not sent", { to: "nobody" }), email("permissive"), email("not sent", { subject: undefined })];
  const mixed = await data(resend.batch.send(emails, options));
  assert.equal(mixed.data.length, 1);
  assert.deepEqual(mixed.errors.map((error) => error.index), [0, 2]);
  assert.match(mixed.errors[0].message, /`\[0\]\.to`/);
  assert.match(mixed.errors[1].message, /`\[2\]\.subject`/);
  assert.equal((await untilLastEvent(mixed.data[0].id, "sent")).subject, "permissive");
  const good = await data(resend.batch.create([email("permissive without errors")], options));
  assert.deepEqual([good.data.length, good.errors], [1, []]);
});

test("emails are listed page by page in both directions, the newest first", async () => {
  const sent = [];
  for (const number of [1, 2, 3, 4, 5]) sent.unshift((await data(resend.emails.send(email(`listed ${number}`)))).id);
  const first = await data(resend.emails.list({ limit: 2 }));
  assert.deepEqual([first.object, first.has_more], ["list", true]);
  assert.deepEqual(first.data.map((item) => item.id), sent.slice(0, 2));
  assert.deepEqual(first.data[0].to, ["ada@example.com"]);
  assert.ok("cc" in first.data[0] && "bcc" in first.data[0] && "reply_to" in first.data[0]);
  assert.match(first.data[0].created_at, TIME);
  assert.deepEqual(await everyId({ limit: 2, after: sent[1] }), sent.slice(2, 4));
  assert.deepEqual(await everyId({ limit: 2, before: sent[4] }), sent.slice(2, 4));
  const newest = await data(resend.emails.list({ before: sent[2] }));
  assert.deepEqual([newest.has_more, newest.data.map((item) => item.id)], [false, sent.slice(0, 2)]);

  const all = await everyId({ limit: 100 });
  const walked = [];
  for (let page = { has_more: true }; page.has_more; ) {
    const after = walked.at(-1);
    page = await data(resend.emails.list(after ? { limit: 3, after } : { limit: 3 }));
    walked.push(...page.data.map((item) => item.id));
  }
  assert.deepEqual(walked, all);
  assert.equal((await everyId()).length, Math.min(all.length, 20));
  await assertRefused(resend.emails.list({ limit: 101 }), 422, "validation_error", /limit/);
  await assertRefused(resend.emails.list({ after: sent[0], before: sent[1] }), 422, "validation_error");
});

test("a scheduled email is moved and canceled, and one that is sent is neither", async () => {
  const later = { scheduledAt: "in 1 hour" };
  const { id } = await data(resend.emails.send(email("canceled", later)));
  const scheduled = await data(resend.emails.get(id));
  assert.equal(scheduled.last_event, "scheduled");
  const hour = Date.parse(scheduled.scheduled_at) - Date.now();
  assert.ok(hour > 3500e3 && hour <= 3600e3, scheduled.scheduled_at);

  const time = new Date(Date.now() + 86400e3).toISOString();
  assert.deepEqual(await data(resend.emails.update({ id, scheduledAt: time })), { object: "email", id });
  assert.equal(Date.parse((await data(resend.emails.get(id))).scheduled_at), Date.parse(time));
  await assertRefused(resend.emails.update({ id, scheduledAt: "soon" }), 422, "validation_error", /scheduled_at/);
  await assertRefused(resend.emails.update({ id, scheduledAt: "in 31 days" }), 422, "validation_error");
  await assertRefused(resend.emails.update({ id }), 422, "missing_required_field", /scheduled_at/);

  assert.deepEqual(await data(resend.emails.cancel(id)), { object: "email", id });
  assert.equal((await data(resend.emails.get(id))).last_event, "canceled");
  await assertRefused(resend.emails.cancel(id), 422, "validation_error", /canceled/);
  await assertRefused(resend.emails.update({ id, scheduledAt: "in 1 hour" }), 422, "validation_error", /canceled/);

  const now = await data(resend.emails.send(email("moved to now", later)));
  await data(resend.emails.update({ id: now.id, scheduledAt: new Date().toISOString() }));
  await untilLastEvent(now.id, "sent");
  await assertRefused(resend.emails.cancel(now.id), 422, "validation_error", /sent/);
  await assertRefused(resend.emails.update({ id: now.id, ...later }), 422, "validation_error", /sent/);
});

test("an email that cannot be sent is refused, with the field that is wrong", async () => {
  for (const [more, name, mention] of [
    [{ from: undefined }, "missing_required_field", /`from`/],
    [{ to: undefined }, "missing_required_field", /`to`/],
    [{ to: [] }, "missing_required_field", /`to`/],
    [{ subject: undefined }, "missing_required_field", /`subject`/],
    [{ text: undefined }, "missing_required_field", /`html`/],
    [{ to: Array(51).fill("ada@example.com") }, "validation_error", /50/],
    [{ cc: "nobody" }, "validation_error", /`cc`/],
    [{ subject: "a\r\nBcc: b@example.com" }, "validation_error", /`subject`/],
    [{ headers: { "X-A": "a\r\nBcc: b@example.com" } }, "validation_error", /`headers/],
    [{ tags: [{ name: "two words", value: "" }] }, "validation_error", /`tags\[0\]\.name`/],
    [{ attachments: [{ filename: "a.txt" }] }, "invalid_attachment", /content/],
    [{ attachments: [{ path: "https://example.com/a.txt" }] }, "validation_error", /path/],
    [{ scheduledAt: "soon" }, "validation_error", /`scheduled_at`/],
    [{ scheduledAt: "2020-01-01T00:00:00Z" }, "validation_error", /`scheduled_at`/],
    [{ template: { id: "welcome" } }, "validation_error", /`template`/],
    [{ topicId: "news" }, "validation_error", /`topic_id`/],
  ]) {
    await assertRefused(resend.emails.send(email("not sent", more)), 422, name, mention);
  }
});

test("what does not exist is not found, and what is not served says so", async () => {
  await assertRefused(resend.emails.get(UNKNOWN), 404, "not_found", /Email/);
  await assertRefused(resend.emails.update({ id: UNKNOWN, scheduledAt: "in 1 hour" }), 404, "not_found", /Email/);
  await assertRefused(resend.emails.cancel(UNKNOWN), 404, "not_found", /Email/);
  await assertRefused(resend.emails.get("7"), 422, "invalid_parameter", /`id`/);
  for (const call of [resend.emails.share(UNKNOWN), resend.emails.metrics(), resend.emails.receiving.list()]) {
    await assertRefused(call, 501, "not_found", /not serve/);
  }
  await assertRefused(resend.domains.list(), 404, "not_found", /path/);
});

test("a key is needed, the right one, and one for sending can do nothing else", async () => {
  await assertRefused(new Resend(" ").emails.send(email("not sent")), 401, "missing_api_key");
  await assertRefused(new Resend("re_wrong").emails.send(email("not sent")), 403, "invalid_api_key");
  const sending = new Resend("re_sending");
  const { id } = await data(sending.emails.send(email("sending key")));
  await data(sending.batch.send([email("sending key batch")]));
  for (const call of [
    sending.emails.get(id),
    sending.emails.list(),
    sending.emails.cancel(id),
    sending.emails.update({ id, scheduledAt: "in 1 hour" }),
    sending.emails.attachments.list({ emailId: id }),
  ]) {
    await assertRefused(call, 401, "restricted_api_key");
  }
});

test("whoever asks too often is told when to ask again", async () => {
  const limited = new Resend("re_full", { baseUrl: process.env.LIMITED_BASE_URL });
  for (;;) {
    // The second may be over between two calls, but not between all of them.
    const [one, other] = await Promise.all([limited.emails.list(), limited.emails.list()]);
    const refused = [one, other].find((answer) => answer.error);
    if (!refused) continue;
    await assertRefused(refused, 429, "rate_limit_exceeded");
    assert.deepEqual([refused.headers["ratelimit-limit"], refused.headers["ratelimit-remaining"]], ["1", "0"]);
    assert.deepEqual([refused.headers["retry-after"], refused.headers["ratelimit-policy"]], ["1", "1;w=1"]);
    return;
  }
});
