//! Texts that programs often mishandle.

use fastrand::Rng;

/// Stands for half of a surrogate pair, which JSON can have and a Rust string cannot: see [`super::json`].
pub(super) const HALF_PAIRS: [(char, &str); 2] = [('\u{e000}', "\\ud83d"), ('\u{e001}', "\\udc00")];

const CHARACTERS: [&str; 24] = [
    "\r\n",
    "\n",
    "\r",
    "\0",
    "\u{b}",
    "\u{c}",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{85}",
    "\u{2028}",
    "\u{200b}",
    "\u{202e}",
    "\u{feff}",
    "\u{a0}",
    "\u{3000}",
    "\u{301}",
    "\t",
    "é",
    "ß",
    "İ",
    "漢",
    "😀",
    "\u{e000}",
    "\u{e001}",
];

const INJECTIONS: [&str; 12] = [
    "\r\nX-Injected: yes",
    "\nX-Injected: yes",
    "\rX-Injected: yes",
    "\r\n\r\n<p>another body</p>",
    "\r\n.\r\nMAIL FROM:<x@y.example>",
    "\n.\n",
    "\r\nRCPT TO:<stranger@y.example>",
    "=?utf-8?q?=0D=0AX-Injected:_yes?=",
    "=?utf-8?b?DQpYLUluamVjdGVkOiB5ZXM=?=",
    "%0d%0aX-Injected: yes",
    "\u{560d}\u{560a}X-Injected: yes",
    "\"; name=\"other",
];

const BODIES: [&str; 20] = [
    "Hello",
    "",
    ".",
    "..",
    ".\r\n",
    "a\r\n.\r\nb",
    "a\n.\nb",
    "a\r.\rb",
    "\n",
    "\r",
    "\r\n\r\n",
    " \t",
    "From x\n",
    "=",
    "=3D",
    "--boundary\r\n--boundary--",
    "\u{1a}",
    "<script>alert(1)</script>",
    "{{name}} %s %n",
    "<!--[if mso]>",
];

const LONG: [(&str, usize); 9] =
    [("a", 998), ("a", 5000), ("é", 998), ("😀", 400), ("a ", 499), (" ", 998), ("\t", 300), ("=", 1200), ("<b>", 300)];

const ADDRESSES: [&str; 74] = [
    "a@b.example",
    "\"a b\"@b.example",
    "\"a>b\"@b.example",
    "\"a\\\"b\"@b.example",
    "\"\"@b.example",
    "\"a@x.example\"@b.example",
    "<a@b.example>",
    "A <a@b.example>",
    "\"A, B\" <a@b.example>",
    "A B. <a@b.example>",
    "é <a@b.example>",
    "<<a@b.example>>",
    "A <a@b.example",
    "A a@b.example>",
    "<a@b.example>,<c@d.example>",
    "a@b.example, c@d.example",
    "a@b.example;c@d.example",
    "group: a@b.example, c@d.example;",
    "undisclosed-recipients:;",
    "@x.example:a@b.example",
    "a%b@c.example",
    "a!b@c.example",
    "a!b",
    "a(comment)@b.example",
    "(c) a@b.example",
    "a@b.example (c)",
    "=?utf-8?q?a?= <a@b.example>",
    "a@[127.0.0.1]",
    "a@[IPv6:::1]",
    "a@[::1]",
    "a@[]",
    "a@[x>y]",
    "a@127.0.0.1",
    "a@-b.example",
    "a@b-.example",
    "a@b..example",
    "a..b@c.example",
    ".a@b.example",
    "a.@b.example",
    "a@b.example.",
    "a@b",
    "a@localhost",
    "-f@b.example",
    "|x@b.example",
    "/etc/x@b.example",
    "a@xn--",
    "a@xn--80ak6aa92e.example",
    "jörg@exämple.example",
    "用户@例え.jp",
    "a@例え。jp",
    "a@b\u{ff0e}example",
    "a@b.exam\u{ad}ple",
    "a@b.exa\u{200b}mple",
    "a@b\u{5d0}.example",
    "a@b_c.example",
    "a@b c.example",
    "a @b.example",
    "a@ b.example",
    "a@b@c.example",
    "a\"b@c.example",
    "a\\@b@c.example",
    "mailto:a@b.example",
    "a@b.example?subject=x",
    "a@b.example SIZE=1",
    "\"a> NOTIFY=NEVER\"@b.example",
    "postmaster",
    "Postmaster@b.example",
    "a+tag@b.example",
    "a{b}@c.example",
    "A@B.EXAMPLE",
    "a@b{c.example",
    "a@b/c.example",
    "\u{202e}a@b.example",
    "a@b.example\u{2028}",
];

/// Something that a text may be, or have in it.
pub(super) fn nasty(random: &mut Rng) -> String {
    match random.u8(..100) {
        0..30 => pick(random, &BODIES).to_owned(),
        30..50 => pick(random, &CHARACTERS).to_owned(),
        50..65 => pick(random, &INJECTIONS).to_owned(),
        65..75 => {
            let (unit, times) = *random.choice(&LONG).unwrap_or(&("a", 1));
            unit.repeat(times)
        }
        75..85 => pick(random, &ADDRESSES).to_owned(),
        _ => (0..random.usize(..40)).map(|_| random.char('\u{1}'..='\u{2fff}')).collect(),
    }
}

/// A text that contains such a text, or is cut off by it.
pub(super) fn spoiled(random: &mut Rng, text: &str) -> String {
    let mut spoiled = text.to_owned();
    for _ in 0..random.usize(1..3) {
        let place = spoiled.floor_char_boundary(random.usize(..=spoiled.len()));
        if random.u8(..5) == 0 {
            spoiled.truncate(place);
        }
        spoiled.insert_str(place, &nasty(random));
    }
    spoiled
}

/// An address, which may be none.
pub(super) fn address(random: &mut Rng) -> String {
    match random.u8(..100) {
        0..50 => format!("user{}@example.com", random.u32(..1000)),
        50..80 => pick(random, &ADDRESSES).to_owned(),
        80..90 => format!("{} <user@example.com>", nasty(random)),
        _ => {
            let address = pick(random, &ADDRESSES);
            spoiled(random, address)
        }
    }
}

/// One of several, by chance.
pub(super) fn pick<'a>(random: &mut Rng, texts: &[&'a str]) -> &'a str {
    random.choice(texts).copied().unwrap_or_default()
}
