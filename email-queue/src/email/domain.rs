//! Domains of addresses: one canonical form, and no text that programs interpret differently.

use std::{
    borrow::Cow,
    net::{Ipv4Addr, Ipv6Addr},
};

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

/// RFC 1035 2.3.4.
const MAX_DOMAIN: usize = 253;
const MAX_LABEL: usize = 63;
/// How long a domain is before it is brought into the form of the DNS, which takes time and memory.
const MAX_WRITTEN: usize = 8 * MAX_DOMAIN;

/// Invisible characters. UTS 46 ignores them, other programs do not.
const INVISIBLE: [char; 3] = ['\u{200b}', '\u{2060}', '\u{feff}'];

/// A domain as it stands in the DNS: in lower case, and an international one in its `xn--` form
/// ([RFC 5891](https://www.rfc-editor.org/rfc/rfc5891)). Two spellings of one domain become the same. An address literal
/// ([RFC 5321 section 4.1.3](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.3)) stays as it is.
///
/// Nothing where it is neither: not a host name of letters, digits and hyphens ([RFC 1123 section
/// 2.1](https://www.rfc-editor.org/rfc/rfc1123#section-2.1)) after [UTS 46](https://www.unicode.org/reports/tr46/).
pub(super) fn to_ascii(domain: &str) -> Option<Cow<'_, str>> {
    if let Some(literal) = domain.strip_prefix('[') {
        return is_address(literal.strip_suffix(']')?).then_some(Cow::Borrowed(domain));
    }
    // Nearly all are, and need no tables.
    if is_host_name(domain) && !labels(domain).any(|label| label.starts_with(b"xn--")) {
        return Some(Cow::Borrowed(domain));
    }
    // Each byte of what stands in the DNS takes up to four of how it may be written, and some are passed over.
    if domain.len() > MAX_WRITTEN || domain.contains(INVISIBLE) {
        return None;
    }
    let ascii =
        Uts46::new().to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify);
    ascii.ok().filter(|ascii| is_host_name(ascii))
}

/// Labels of letters, digits and hyphens, in lower case. A last one of digits alone would make it look like an IP address
/// ([RFC 3696 section 2](https://www.rfc-editor.org/rfc/rfc3696#section-2)).
fn is_host_name(domain: &str) -> bool {
    let is_label = |label: &[u8]| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !label.starts_with(b"-")
            && !label.ends_with(b"-")
    };
    let is_number = |label: &[u8]| label.iter().all(u8::is_ascii_digit);
    domain.len() <= MAX_DOMAIN && labels(domain).all(is_label) && !labels(domain).next_back().is_some_and(is_number)
}

fn labels(domain: &str) -> impl DoubleEndedIterator<Item = &[u8]> {
    domain.as_bytes().split(|byte| *byte == b'.')
}

fn is_address(literal: &str) -> bool {
    match literal.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("ipv6:") => literal[5..].parse::<Ipv6Addr>().is_ok(),
        _ => literal.parse::<Ipv4Addr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_domain_become_the_same() {
        for domain in ["x.example", "X.EXAMPLE", "x\u{ff0e}example", "x.exam\u{ad}ple", "\u{ff38}.example"] {
            assert_eq!(to_ascii(domain).as_deref(), Some("x.example"), "{domain}");
        }
        for domain in
            ["ex\u{e4}mple.com", "EX\u{c4}MPLE.com", "exa\u{308}mple.com", "xn--exmple-cua.com", "XN--exmple-cua.com"]
        {
            assert_eq!(to_ascii(domain).as_deref(), Some("xn--exmple-cua.com"), "{domain}");
        }
    }

    #[test]
    fn host_names_and_address_literals_are_domains() {
        let longest = format!("{}.example", "a".repeat(63));
        for domain in
            ["localhost", "a.b", "3com.example", "a--b.example", &longest, "[192.0.2.1]", "[IPv6:2001:db8::1]"]
        {
            assert_eq!(to_ascii(domain).as_deref(), Some(domain), "{domain}");
        }
    }

    #[test]
    fn what_programs_could_read_differently_is_no_domain() {
        let label = format!("{}.example", "a".repeat(64));
        let long = format!("{}example", "a.".repeat(124));
        let passed_over = format!("a{}.example", "\u{ad}".repeat(2000));
        for domain in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "-a.example",
            "a-.example",
            "a_b.example",
            "x!y",
            "x{y.example",
            "x/y.example",
            "b.example?subject=x",
            "x\u{2100}y.example",
            "x\u{5d0}y.example",
            "good.exa\u{200b}mple",
            "good.exa\u{2060}mple",
            "good.exa\u{feff}mple",
            "xn--a.example",
            "xn--exmple-cua\u{e4}.com",
            "a b",
            "x%y",
            "192.0.2.1",
            "a.1",
            "[]",
            "[x>y]",
            "[x,y]",
            "[192.0.2]",
            "[192.0.2.256]",
            "[2001:db8::1]",
            "[IPv6:x]",
            "[IPv6:]",
            "[192.0.2.1",
            &label,
            &long,
            &passed_over,
        ] {
            assert_eq!(to_ascii(domain), None, "{domain}");
        }
    }

    proptest! {
        #[test]
        fn the_form_for_all_spellings_is_its_own(domain in r"[a-zA-Z0-9äß\u{5d0}\u{ff0e}.\u{ad}-]{1,20}|.{0,40}") {
            if let Some(ascii) = to_ascii(&domain) {
                prop_assert!(ascii.is_ascii());
                let again = to_ascii(&ascii);
                prop_assert_eq!(again.as_deref(), Some(&*ascii));
            }
        }
    }
}
