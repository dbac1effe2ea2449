// Programs on Node that others wrote for Resend, as they are published: Payload's adapter, a transport of nodemailer, the
// command line and the MCP server. tests/resend_clients.rs starts the servers and runs this with
//   CLIENTS          where the packages are installed
//   RESEND_BASE_URL  the API, which all but Payload's adapter read by themselves
//   RESEND_API_KEY   its key
// and afterwards looks at what has arrived by SMTP.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFile, mkdtemp } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

const { CLIENTS, RESEND_BASE_URL, RESEND_API_KEY } = process.env;
const require = createRequire(join(CLIENTS, "package.json"));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test("Payload's adapter, which sends empty strings for what is left out", async () => {
  // It has Resend's own address in its code.
  const { fetch } = globalThis;
  globalThis.fetch = (url, options) => fetch(String(url).replace("https://api.resend.com", RESEND_BASE_URL), options);
  const { resendAdapter } = await import(pathToFileURL(join(CLIENTS, "node_modules/@payloadcms/email-resend/dist/index.js")));
  const adapter = resendAdapter({ apiKey: RESEND_API_KEY, defaultFromAddress: "cms@acme.example", defaultFromName: "CMS" })();
  const sent = await adapter.sendEmail({ to: "ada@example.com", subject: "payload", html: "<p>Hello</p>" });
  assert.match(sent.id, ID);
  const to = [{ name: "Ada", address: "ada@example.com" }];
  const attachments = [{ filename: "a.txt", content: Buffer.from("file") }];
  assert.match((await adapter.sendEmail({ to, subject: "payload file", text: "Hello", attachments })).id, ID);
  await assert.rejects(adapter.sendEmail({ to: "nobody", subject: "not sent", text: "x" }), /422/);
  globalThis.fetch = fetch;
});

test("nodemailer with a transport for Resend", async () => {
  const nodemailer = require("nodemailer");
  const { ResendTransport } = require("@documenso/nodemailer-resend");
  const mailer = nodemailer.createTransport(ResendTransport.makeTransport({ apiKey: RESEND_API_KEY }));
  const sent = await mailer.sendMail({
    from: { name: "Acme", address: "hello@acme.example" },
    to: ["ada@example.com", { name: "Bob", address: "bob@example.com" }],
    replyTo: "support@acme.example",
    subject: "nodemailer",
    text: "Hello",
    headers: { "X-Number": 7 },
    attachments: [{ filename: "a.txt", content: Buffer.from("file") }],
  });
  assert.match(sent.id, ID);
  const several = { from: "hello@acme.example", to: "ada@example.com, bob@example.com", subject: "not sent", text: "x" };
  await assert.rejects(mailer.sendMail(several), /list of strings/);
});

async function resend(...args) {
  const cli = join(CLIENTS, "node_modules/resend-cli/dist/cli.cjs");
  const env = { ...process.env, RESEND_TELEMETRY_DISABLED: "1", RESEND_NO_UPDATE_NOTIFIER: "1" };
  const { stdout } = await promisify(execFile)(process.execPath, [cli, ...args, "--json"], { env });
  return JSON.parse(stdout);
}

test("Resend's command line", async () => {
  const file = join(await mkdtemp(join(tmpdir(), "resend-cli-")), "file.txt");
  await writeFile(file, "file");
  const email = ["emails", "send", "--from", "Acme <hello@acme.example>", "--to", "ada@example.com", "--text", "Hello"];
  const more = ["--headers", "X-Entity-Ref-ID=42", "--tags", "kind=test", "--attachment", file];
  const { id } = await resend(...email, "--subject", "cli", ...more);
  assert.match(id, ID);
  assert.equal((await resend("emails", "get", id)).subject, "cli");
  const later = await resend(...email, "--subject", "not sent", "--scheduled-at", "tomorrow at 9am ET");
  await resend("emails", "update", later.id, "--scheduled-at", "in 2 days");
  await resend("emails", "cancel", later.id);
  assert.equal((await resend("emails", "get", later.id)).last_event, "canceled");
  assert.equal((await resend("emails", "list", "--limit", "1")).data[0].id, later.id);
});

test("Resend's MCP server", async () => {
  const { Client } = await load("@modelcontextprotocol/sdk/client/index.js");
  const { StdioClientTransport } = await load("@modelcontextprotocol/sdk/client/stdio.js");
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [join(CLIENTS, "node_modules/resend-mcp/dist/index.js"), "--sender", "hello@acme.example"],
    env: { PATH: process.env.PATH, RESEND_API_KEY, RESEND_BASE_URL },
  });
  const client = new Client({ name: "test", version: "1" });
  await client.connect(transport);
  const call = async (name, args) => {
    const answer = await client.callTool({ name, arguments: args });
    const text = answer.content.map((part) => part.text).join("\n");
    return { failed: answer.isError === true, text };
  };
  const email = { to: ["ada@example.com"], subject: "mcp", text: "Hello" };
  const sent = await call("send-email", email);
  assert.ok(!sent.failed, sent.text);
  const [id] = sent.text.match(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/);
  const shown = await call("get-email", { id });
  assert.ok(!shown.failed && shown.text.includes("mcp"), shown.text);
  const listed = await call("list-emails", {});
  assert.ok(!listed.failed && listed.text.includes(id), listed.text);
  const later = await call("send-email", { ...email, subject: "not sent", scheduledAt: "Friday at 3pm ET" });
  assert.ok(!later.failed, later.text);
  const [laterId] = later.text.match(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/);
  const canceled = await call("cancel-email", { id: laterId });
  assert.ok(!canceled.failed, canceled.text);
  await client.close();
});
