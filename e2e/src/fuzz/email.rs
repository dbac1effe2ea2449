//! Emails as clients might post them: most are nearly valid, so that they reach the later rules, too.

use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::{
    texts::{address, nasty, pick, spoiled},
    values::{
        CONTENT_IDS, CONTENTS, FILE_NAMES, GOOD_HEADERS, HEADER_NAMES, HEADER_VALUES, ODD_ADDRESSES, OTHER_NAMES,
        TIMES, TYPES,
    },
};

/// An email as JSON. Some are wild in most of their fields, most in few of them or none.
pub(super) fn email(random: &mut Rng) -> Value {
    let wild = random.choice([0, 2, 5, 10, 60]).unwrap_or(0);
    Writer { random, wild }.email()
}

/// The body of a request that moves a time.
pub(super) fn change(random: &mut Rng) -> Value {
    if chance(random, 85) { json!({"scheduled_at": pick(random, &TIMES)}) } else { junk(random, 3) }
}

/// JSON of any shape.
pub(super) fn junk(random: &mut Rng, depth: u8) -> Value {
    match random.u8(..if depth == 0 { 8 } else { 11 }) {
        0 => Value::Null,
        1 => json!(random.bool()),
        2 => json!(random.i64(..)),
        3 => json!(random.f64() * 1e300),
        4 => json!(0),
        5 => json!(""),
        6 => json!(nasty(random)),
        7 => json!("a@example.com"),
        8 => Value::Array((0..random.usize(..4)).map(|_| junk(random, depth - 1)).collect()),
        9 => Value::Array(vec![junk(random, depth - 1); random.usize(..120)]),
        _ => {
            let names = ["content", "data", "type", "name", "value", "filename", "content_id", "path", "to", "subject"];
            (0..random.usize(..5)).map(|_| (pick(random, &names).to_owned(), junk(random, depth - 1))).collect()
        }
    }
}

pub(super) fn chance(random: &mut Rng, percent: u8) -> bool {
    random.u8(..100) < percent
}

/// Writes one email.
struct Writer<'a> {
    random: &'a mut Rng,
    /// How many of a hundred values may be anything.
    wild: u8,
}

impl Writer<'_> {
    fn email(mut self) -> Value {
        let mut email = Map::new();
        let mut set = |name: &str, value: Value| drop(email.insert(name.to_owned(), value));
        set("from", json!(self.address()));
        set("to", self.addresses());
        set("subject", json!(self.text("A subject, grüße and 😀")));
        if self.chance(75) {
            set("text", self.body("Hello\n"));
        }
        if self.chance(40) {
            set("html", self.body("<p>Hello</p>"));
        }
        for (name, percent) in [("cc", 20), ("bcc", 20), ("reply_to", 20)] {
            if self.chance(percent) {
                set(name, self.addresses());
            }
        }
        if self.chance(35) {
            set("headers", self.headers());
        }
        if self.chance(25) {
            set("attachments", self.attachments());
        }
        if self.chance(15) {
            set("tags", self.tags());
        }
        if self.chance(10) {
            set("scheduled_at", json!(self.one_of(&TIMES[..3], &TIMES)));
        }
        if self.chance(15) {
            set("priority", json!(self.one_of(&["high", "normal", "low", ""], &["HIGH", "urgent", " low"])));
        }
        if self.is_wild() {
            let known: Vec<String> = email.keys().cloned().collect();
            let known = self.random.choice(known).unwrap_or_default();
            match self.random.u8(..3) {
                0 => drop(email.remove(&known)),
                1 => drop(email.insert(known, junk(self.random, 3))),
                _ => {
                    let name = pick(self.random, &OTHER_NAMES).to_owned();
                    let value = if self.chance(50) { json!(self.text("x")) } else { junk(self.random, 3) };
                    email.insert(name, value);
                }
            }
        }
        Value::Object(email)
    }

    fn chance(&mut self, percent: u8) -> bool {
        chance(self.random, percent)
    }

    fn is_wild(&mut self) -> bool {
        let wild = self.wild;
        self.chance(wild)
    }

    /// A good text, or anything.
    fn text(&mut self, good: &str) -> String {
        match self.is_wild() {
            false => good.to_owned(),
            true if self.random.bool() => nasty(self.random),
            true => spoiled(self.random, good),
        }
    }

    /// One of the good texts, or one of others, or anything.
    fn one_of(&mut self, good: &[&str], others: &[&str]) -> String {
        let others = if self.is_wild() { others } else { good };
        let text = pick(self.random, others);
        self.text(text)
    }

    /// What a body may be, which is anything.
    fn body(&mut self, plain: &str) -> Value {
        json!(match self.random.u8(..4) {
            0 => plain.to_owned(),
            1 => nasty(self.random),
            _ => spoiled(self.random, plain),
        })
    }

    fn address(&mut self) -> String {
        if self.is_wild() {
            return address(self.random);
        }
        match self.random.u8(..3) {
            0 => pick(self.random, &ODD_ADDRESSES).to_owned(),
            _ => format!("User <user{}@example.com>", self.random.u16(..)),
        }
    }

    fn addresses(&mut self) -> Value {
        match self.random.u8(..10) {
            0..5 => json!(self.address()),
            5 => {
                let most = if self.is_wild() { 51 } else { 50 };
                let count = self.random.choice([1, 49, most]).unwrap_or(1);
                (0..count).map(|nth| json!(format!("user{nth}@example.com"))).collect()
            }
            _ => (0..self.random.usize(1..4)).map(|_| json!(self.address())).collect(),
        }
    }

    fn headers(&mut self) -> Value {
        let headers: Map<String, Value> = (0..self.random.usize(..4)).map(|_| self.header()).collect();
        // As Laravel sends none.
        if headers.is_empty() { json!([]) } else { headers.into() }
    }

    fn header(&mut self) -> (String, Value) {
        if !self.is_wild() {
            let (name, value) = self.random.choice(GOOD_HEADERS).unwrap_or_default();
            let value = if self.chance(20) { [value; 9].join(" ") } else { value.to_owned() };
            return (name.to_owned(), json!(value));
        }
        let name = self.one_of(&HEADER_NAMES, &["X-B"]);
        let value = match self.random.u8(..4) {
            0 => json!(pick(self.random, &HEADER_VALUES)),
            1 => junk(self.random, 1),
            _ => json!(self.text("<https://b.example/u>")),
        };
        (name, value)
    }

    fn attachments(&mut self) -> Value {
        let count = match self.is_wild() {
            true => self.random.choice([0, 100, 101]).unwrap_or(0),
            false => self.random.usize(1..3),
        };
        (0..count).map(|_| self.attachment()).collect()
    }

    fn attachment(&mut self) -> Value {
        let content = match self.random.u8(..6) {
            _ if self.is_wild() => match self.random.u8(..3) {
                0 => json!(pick(self.random, &CONTENTS)),
                1 => json!([256, -1, 1.5]),
                _ => junk(self.random, 2),
            },
            0 => json!([1, 2, 255]),
            1 => json!({"type": "Buffer", "data": [1, 2, 3]}),
            2 => json!(""),
            _ => json!("QUJD".repeat(self.random.usize(..3000))),
        };
        let mut file = Map::from_iter([("content".to_owned(), content)]);
        let fields: [(&str, u8, &[&str], &[&str]); 4] = [
            ("filename", 80, &FILE_NAMES[..9], &FILE_NAMES),
            ("content_type", 50, &TYPES[..6], &TYPES),
            ("content_id", 30, &CONTENT_IDS[..3], &CONTENT_IDS),
            ("path", self.wild / 4, &["https://b.example/a"], &[""]),
        ];
        for (name, percent, good, others) in fields {
            if self.chance(percent) {
                file.insert(name.to_owned(), json!(self.one_of(good, others)));
            }
        }
        Value::Object(file)
    }

    fn tags(&mut self) -> Value {
        let count = if self.is_wild() { 101 } else { self.random.usize(..4) };
        let tags = (0..count).map(|nth| (self.text(&format!("t{nth}")), json!(self.text("v"))));
        let tags: Vec<(String, Value)> = tags.collect();
        if self.chance(30) {
            return tags.into_iter().collect();
        }
        tags.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
    }
}
