//! Requests: mostly posts of emails, and everything else that the API serves or does not.

use fastrand::Rng;
use serde_json::Value;

use super::{
    email::{chance, change, email, junk},
    texts::{HALF_PAIRS, nasty, pick},
};

/// The key of the API that opens everything, and one that may only send.
pub(super) const KEYS: [&str; 2] = ["re_everything", "re_sending"];

/// A request as it is sent.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    /// Whether the body is sent in chunks, without its length.
    pub(super) chunked: bool,
}

const METHODS: [&str; 10] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "get"];

const QUERIES: [&str; 17] = [
    "",
    "?limit=1",
    "?limit=100",
    "?limit=0",
    "?limit=101",
    "?limit=-1",
    "?limit=99999999999999999999",
    "?limit=1&limit=2",
    "?limit=%31",
    "?status=sent",
    "?status=failed",
    "?status=lost",
    "?status=",
    "?after=x",
    "?%00=%ff",
    "?Limit=1",
    "?a=b&c",
];

const TAILS: [&str; 14] = [
    "",
    "/",
    "/attachments",
    "/attachments/",
    "/attachments/x",
    "/attachments/x/download?expires=1e3",
    "/share",
    "/events",
    "/cancel",
    "//cancel",
    "/cancel/",
    "/..",
    "/%2e%2e",
    "/attachments/00000000-0000-0000-0000-000000000000/download?expires=9999999999&signature=00",
];

const IDS: [&str; 9] = [
    "00000000-0000-0000-0000-000000000000",
    "01a21403-d63f-76cf-8827-5dffab929acd",
    "x",
    "%00",
    "..",
    "*",
    "batch",
    "-----------------------------------",
    "%C3%A9",
];

/// One request. `ids` are those of emails that were accepted.
pub(super) fn request(random: &mut Rng, ids: &[String]) -> Request {
    let mut request = match random.u8(..100) {
        0..66 => post("/emails", {
            let email = email(random);
            body(random, &email)
        }),
        66..76 => post("/emails/batch", {
            let emails: Vec<Value> = (0..batch_size(random)).map(|_| email(random)).collect();
            body(random, &Value::from(emails))
        }),
        76..80 => {
            let change = change(random);
            Request { method: "PATCH", ..post(&format!("/emails/{}", id(random, ids)), body(random, &change)) }
        }
        80..84 => post(&format!("/emails/{}/cancel", id(random, ids)), pick(random, &["", "{}", "x"]).into()),
        84..90 => get(format!("/emails{}", query(random, ids))),
        90..96 => get(format!("/emails/{}{}", id(random, ids), pick(random, &TAILS))),
        96..98 => Request {
            method: pick(random, &METHODS),
            ..get(format!("/emails/{}{}", id(random, ids), pick(random, &TAILS)))
        },
        _ => {
            let path = pick(
                random,
                &[
                    "/",
                    "/emails",
                    "/emails/",
                    "/healthz",
                    "/readyz",
                    "/openapi.json",
                    "/domains",
                    "/api-keys",
                    "/emails/batch/x",
                ],
            );
            Request { method: pick(random, &METHODS), ..get(path.to_owned()) }
        }
    };
    request.chunked = !request.body.is_empty() && chance(random, 10);
    headers(random, &mut request);
    request
}

fn post(path: &str, body: Vec<u8>) -> Request {
    Request { method: "POST", path: path.to_owned(), headers: Vec::new(), body, chunked: false }
}

fn get(path: String) -> Request {
    Request { method: "GET", path, headers: Vec::new(), body: Vec::new(), chunked: false }
}

fn batch_size(random: &mut Rng) -> usize {
    if chance(random, 90) { random.usize(1..4) } else { random.choice([0, 100, 101]).unwrap_or(0) }
}

fn id(random: &mut Rng, ids: &[String]) -> String {
    match random.choice(ids) {
        Some(id) if chance(random, 70) => id.clone(),
        _ => pick(random, &IDS).to_owned(),
    }
}

fn query(random: &mut Rng, ids: &[String]) -> String {
    match random.u8(..10) {
        0..6 => pick(random, &QUERIES).to_owned(),
        6..8 => format!("?after={}", id(random, ids)),
        8 => format!("?before={}&status=sent", id(random, ids)),
        _ => format!("?after={}&before={}", id(random, ids), id(random, ids)),
    }
}

/// JSON as bytes, now and then not quite.
fn body(random: &mut Rng, json: &Value) -> Vec<u8> {
    let mut text = match random.u8(..100) {
        0 => return (0..random.usize(..2000)).map(|_| random.u8(..)).collect(),
        1 => {
            let pieces =
                ["{", "}", "[", "]", "\"", ":", ",", "to", "a@b.example", "\\u", "\\ud800", "1e999", "-", "null", " "];
            return (0..random.usize(..60)).map(|_| pick(random, &pieces)).collect::<String>().into();
        }
        2 => junk(random, 4).to_string(),
        _ => json.to_string(),
    };
    for (stand_in, half) in HALF_PAIRS {
        text = text.replace(stand_in, half);
    }
    let mut bytes = text.into_bytes();
    match random.u8(..100) {
        0..8 => {
            for _ in 0..random.usize(1..4) {
                spoil(random, &mut bytes);
            }
        }
        8..10 => bytes.truncate(random.usize(..=bytes.len())),
        10 => bytes = [bytes.as_slice(), bytes.as_slice()].concat(),
        11 => bytes = [b"\xef\xbb\xbf", bytes.as_slice()].concat(),
        // The same field twice.
        12 if bytes.starts_with(b"{\"") => bytes = [b"{\"to\":\"b@example.com\",", &bytes[1..]].concat(),
        _ => {}
    }
    bytes
}

fn spoil(random: &mut Rng, bytes: &mut Vec<u8>) {
    let place = random.usize(..=bytes.len());
    match random.u8(..3) {
        0 if place < bytes.len() => bytes[place] = random.u8(..),
        1 => drop(bytes.drain(place..bytes.len().min(place + 4))),
        _ => {
            let piece = pick(
                random,
                &[
                    "\"", "{", "}", "[", "]", ",", ":", "\\", "\0", "\\ud800", "\\u0000", "1e999", "nul", "//",
                    "\u{feff}",
                ],
            );
            drop(bytes.splice(place..place, piece.bytes()));
        }
    }
}

fn headers(random: &mut Rng, request: &mut Request) {
    let mut add = |name, value: String| request.headers.push((name, value));
    match random.u8(..100) {
        0..92 => add("Authorization", format!("Bearer {}", KEYS[0])),
        92..96 => add("Authorization", format!("Bearer {}", KEYS[1])),
        96..99 => {
            let values = [
                "",
                "Bearer",
                "Bearer ",
                "Basic cmU6",
                "re_everything",
                "bearer re_everything",
                "Bearer re_everythin",
                "Bearer re_sending:sending",
            ];
            add("Authorization", pick(random, &values).to_owned());
        }
        _ => {}
    }
    if !request.body.is_empty() {
        match random.u8(..100) {
            0..90 => add("Content-Type", "application/json".to_owned()),
            90..99 => {
                let types = [
                    "application/json; charset=utf8",
                    "application/json;charset=UTF-16",
                    "text/plain",
                    "application/x-www-form-urlencoded",
                    "",
                    "json",
                    "application/vnd.api+json",
                ];
                add("Content-Type", pick(random, &types).to_owned());
            }
            _ => {}
        }
    }
    if chance(random, 12) {
        let keys = ["", " ", "key", "another key", "é", "x-y-z"];
        let key = match random.u8(..4) {
            0 => pick(random, &keys).to_owned(),
            1 => "k".repeat(random.choice([255, 256, 257]).unwrap_or(1)),
            _ => format!("key {}", random.u16(..200)),
        };
        add("Idempotency-Key", key);
    }
    if chance(random, 8) {
        add("X-Batch-Validation", pick(random, &["strict", "permissive", "PERMISSIVE", ""]).to_owned());
    }
    if chance(random, 8) {
        let names = [
            "X-Forwarded-For",
            "X-Forwarded-Proto",
            "Forwarded",
            "Content-Encoding",
            "Accept",
            "Accept-Encoding",
            "Range",
            "If-None-Match",
            "Cookie",
            "X-HTTP-Method-Override",
            "Spin-Client-Addr",
            "Spin-Full-Url",
            "User-Agent",
            "Prefer",
            "Expect",
        ];
        let name = pick(random, &names);
        let value = match random.u8(..3) {
            // Nothing else is waited for.
            _ if name == "Expect" => "100-continue".to_owned(),
            0 => pick(random, &["gzip", "br", "*", "1", "bytes=0-", "127.0.0.1:1", "http://localhost/", "for=1.2.3.4"])
                .to_owned(),
            1 => "x".repeat(3000),
            _ => nasty(random).chars().filter(|c| (' '..='~').contains(c)).collect(),
        };
        add(name, value);
    }
}
