//! One outcome of a delivery, from the verdict of each recipient.

use std::fmt::Write;

use email_queue::{
    Class,
    email::Mailbox,
    transition::{Outcome, Progress, RecipientRefusal},
};

use crate::{
    Config,
    transport::{Delivery, Failure, Verdict},
};

/// How many characters of an error are kept: a server may send any number.
pub(crate) const MAX_ERROR: usize = 1000;

/// The first time-outs in a row are not counted as attempts; from this one on they are.
const TIMEOUTS_FOR_AN_ATTEMPT: u32 = 3;

/// The verdicts of a delivery, together with those of earlier ones.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tried {
    /// How many attempts were made before.
    pub(crate) attempts: u32,
    /// What all attempts together have achieved.
    pub(crate) progress: Progress,
    /// Whether this delivery served a recipient.
    pub(crate) advanced: bool,
    /// The recipients who may get it later, and why not yet.
    pub(crate) pending: Vec<(String, Failure)>,
}

impl Tried {
    /// Adds the verdicts of a delivery to `asked`.
    pub(crate) fn new(attempts: u32, mut progress: Progress, asked: &[&Mailbox], delivery: Delivery<'_>) -> Self {
        let mut undecided: Vec<&str> = asked.iter().copied().map(address).collect();
        let mut pending = Vec::new();
        let before = progress.accepted.len();
        for (recipient, verdict) in delivery.verdicts {
            let address = address(recipient);
            undecided.retain(|other| *other != address);
            match verdict {
                Verdict::Accepted => progress.accepted.push(address.to_owned()),
                Verdict::Deferred(failure) => pending.push((address.to_owned(), failure)),
                Verdict::Failed(Failure { class, reason }) => {
                    let refusal = RecipientRefusal { class, error: printable(&reason, MAX_ERROR / 4) };
                    progress.refused.insert(address.to_owned(), refusal);
                }
            }
        }
        let fault = delivery.fault.map(|fault| fault.failure);
        let why = fault.unwrap_or_else(|| Failure::new(Class::Internal, "not decided upon"));
        pending.extend(undecided.into_iter().map(|address| (address.to_owned(), why.clone())));
        Self { attempts, advanced: progress.accepted.len() > before, progress, pending }
    }

    /// Whether no recipient is left: each has it or was refused.
    pub(crate) fn is_over(&self) -> bool {
        self.pending.is_empty()
    }

    /// The failure that keeps the email waiting.
    pub(crate) fn failure(&self) -> Failure {
        let first = self.pending.first().map(|(_, failure)| failure.class);
        let refused = self.progress.refused.values().next().map(|refusal| refusal.class);
        Failure { class: first.or(refused).unwrap_or(Class::Internal), reason: self.explanation() }
    }

    /// The same with a failure that is the email's own, though it looked like the relay's.
    pub(crate) fn own(mut self) -> Self {
        for (_, failure) in &mut self.pending {
            failure.class = Class::Deferred;
        }
        self
    }

    /// What follows when neither the relay nor the sender is held off.
    ///
    /// - All recipients have it: sent.
    /// - No other recipient can get it later: a dead letter, even when most have it, so that a person sees it. Who has it is
    ///   recorded, so that a manual retry goes only to the others.
    /// - Some may get it later: retried for them. That counts as an attempt, unless this one served a recipient. A time-out of
    ///   the relay counts from the third in a row on, an internal error never.
    pub(crate) fn into_outcome(mut self, config: &Config) -> (Outcome, Progress) {
        if self.is_over() && self.progress.refused.is_empty() {
            return (Outcome::Sent, Progress::default());
        }
        let Failure { class, reason: error } = self.failure();
        let silent = self.pending.iter().any(|(_, failure)| failure.class == Class::Timeout);
        self.progress.timeouts = if silent { self.progress.timeouts.saturating_add(1) } else { 0 };
        let attempt = self.attempts.saturating_add(1);
        let free =
            self.advanced || class == Class::Internal || (silent && self.progress.timeouts < TIMEOUTS_FOR_AN_ATTEMPT);
        let outcome = if self.is_over() {
            Outcome::Failed { class, error }
        } else if free {
            Outcome::Postponed { retry_in: config.retry.delay(attempt.max(self.progress.timeouts)), class, error }
        } else if config.max_attempts.is_some_and(|max| attempt >= max) {
            let error = format!("given up after {attempt} attempts; the last failure ({class}): {error}");
            Outcome::Failed { class: Class::GivenUp, error: printable(&error, MAX_ERROR) }
        } else {
            Outcome::Delayed { retry_in: config.retry.delay(attempt), class, error }
        };
        (outcome, self.progress)
    }

    /// The reasons, with the recipients of each unless it is the same for all.
    fn explanation(&self) -> String {
        let refused: Vec<_> =
            self.progress.refused.iter().map(|(address, refusal)| (address.as_str(), refusal.error.as_str())).collect();
        let pending: Vec<_> =
            self.pending.iter().map(|(address, failure)| (address.as_str(), failure.reason.as_str())).collect();
        let everybody = self.progress.accepted.len() + refused.len() + pending.len();
        let parts = [("not accepted for now", pending), ("refused", refused)];
        let failed = parts.iter().filter(|(_, those)| !those.is_empty());
        let explained: Vec<_> = failed.map(|(what, those)| explain(what, those, everybody)).collect();
        printable(&explained.join("; "), MAX_ERROR)
    }
}

/// Each reason once, with its recipients.
fn explain(what: &str, failed: &[(&str, &str)], everybody: usize) -> String {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for (address, reason) in failed {
        match reasons.iter_mut().find(|(known, _)| known == reason) {
            Some((_, addresses)) => addresses.push(address),
            None => reasons.push((reason, vec![address])),
        }
    }
    if let [(reason, addresses)] = reasons.as_slice()
        && addresses.len() == everybody
    {
        return (*reason).to_owned();
    }
    let recipients = if everybody == 1 { "recipient" } else { "recipients" };
    let mut explained = format!("{what} for {} of {everybody} {recipients}", failed.len());
    for (nth, (reason, addresses)) in reasons.into_iter().enumerate() {
        let separator = if nth == 0 { ": " } else { ", " };
        // Writing to a String does not fail.
        let _ = write!(explained, "{separator}{}: {reason}", addresses.join(", "));
    }
    explained
}

/// An untrusted text as one line of bounded length.
pub(crate) fn printable(text: &str, max: usize) -> String {
    let line = |c: char| if c.is_control() { ' ' } else { c };
    let mut printable: String = text.chars().take(max).map(line).collect();
    if text.chars().nth(max).is_some() {
        printable.push('…');
    }
    printable
}

/// Removes addresses: recipients are logged at the debug level only, and servers repeat them in their replies. What stands
/// around an address stays, and so does an `@` by itself.
pub(crate) fn without_addresses(text: &str) -> String {
    const BETWEEN: [char; 7] = [' ', '<', '>', ',', ';', '(', ')'];
    let mut hidden = String::with_capacity(text.len());
    for piece in text.split_inclusive(BETWEEN) {
        let (word, end) = match piece.char_indices().next_back() {
            Some((at, last)) if BETWEEN.contains(&last) => piece.split_at(at),
            _ => (piece, ""),
        };
        let address = word.trim_matches([':', '.', '"', '\'', '!', '?']);
        if address.contains('@') && address != "@" {
            let name = if hidden.ends_with('<') { "address" } else { "<address>" };
            hidden.push_str(&word.replacen(address, name, 1));
        } else {
            hidden.push_str(word);
        }
        hidden.push_str(end);
    }
    hidden
}

pub(crate) fn address(recipient: &Mailbox) -> &str {
    recipient.address().as_ref()
}

#[cfg(test)]
mod tests {
    use email_queue::Class;

    use super::*;
    use crate::transport::outcome::Fault;

    fn config(max_attempts: Option<u32>) -> Config {
        Config { max_attempts, ..Config::new(crate::transport::TransportConfig::Null).unwrap() }
    }

    fn deferred() -> Verdict {
        Verdict::Deferred(Failure::new(Class::Deferred, "450 busy"))
    }

    fn silent() -> Verdict {
        Verdict::Deferred(Failure::new(Class::Timeout, "no answer"))
    }

    fn refused() -> Verdict {
        Verdict::Failed(Failure::new(Class::Recipient, "550 no such user"))
    }

    /// The outcome of a delivery to a, b and c with these verdicts, after so many attempts.
    fn tried(attempts: u32, progress: Progress, verdicts: [Verdict; 3]) -> Tried {
        let recipients: Vec<Mailbox> = ["a@x.example", "b@x.example", "c@x.example"].map(|a| a.parse().unwrap()).into();
        let asked: Vec<_> = recipients.iter().collect();
        let delivery = Delivery { verdicts: asked.iter().copied().zip(verdicts).collect(), fault: None };
        Tried::new(attempts, progress, &asked, delivery)
    }

    fn outcome_of(attempts: u32, progress: Progress, verdicts: [Verdict; 3]) -> (Outcome, Progress) {
        tried(attempts, progress, verdicts).into_outcome(&config(Some(10)))
    }

    fn accepted(addresses: &[&str]) -> Progress {
        Progress { accepted: addresses.iter().map(|address| (*address).to_owned()).collect(), ..Progress::default() }
    }

    #[test]
    fn an_email_that_all_accepted_is_sent() {
        let verdicts = [Verdict::Accepted, Verdict::Accepted, Verdict::Accepted];
        assert_eq!(outcome_of(0, Progress::default(), verdicts).0, Outcome::Sent);
    }

    #[test]
    fn all_without_it_are_named_and_those_refused_for_good_are_recorded() {
        let (outcome, progress) = outcome_of(0, accepted(&["z@x.example"]), [deferred(), deferred(), refused()]);
        let Outcome::Delayed { class, error, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(class, Class::Deferred);
        assert_eq!(
            error,
            "not accepted for now for 2 of 4 recipients: a@x.example, b@x.example: 450 busy; \
             refused for 1 of 4 recipients: c@x.example: 550 no such user"
        );
        assert_eq!(progress.accepted, ["z@x.example"]);
        assert_eq!(progress.refused["c@x.example"].error, "550 no such user");
    }

    #[test]
    fn an_attempt_in_which_somebody_got_it_is_none() {
        let (outcome, progress) = outcome_of(0, Progress::default(), [Verdict::Accepted, deferred(), refused()]);
        assert!(matches!(outcome, Outcome::Postponed { class: Class::Deferred, .. }), "{outcome:?}");
        assert_eq!(progress.accepted, ["a@x.example"]);
    }

    #[test]
    fn whoever_is_left_of_several_is_named_even_when_nobody_else_is_left() {
        let recipient: Mailbox = "b@x.example".parse().unwrap();
        let delivery = Delivery::all(&[&recipient], &deferred());
        let tried = Tried::new(9, accepted(&["a@x.example"]), &[&recipient], delivery);
        let (outcome, _) = tried.into_outcome(&config(Some(10)));
        let Outcome::Failed { class: Class::GivenUp, error } = outcome else { panic!("{outcome:?}") };
        assert!(error.contains("1 of 2 recipients: b@x.example: 450 busy"), "{error}");
    }

    #[test]
    fn one_recipient_refused_and_none_pending_makes_it_a_dead_letter_that_says_who_has_it() {
        let (outcome, progress) = outcome_of(0, Progress::default(), [Verdict::Accepted, Verdict::Accepted, refused()]);
        let error = "refused for 1 of 3 recipients: c@x.example: 550 no such user".to_owned();
        assert_eq!(outcome, Outcome::Failed { class: Class::Recipient, error });
        assert_eq!(progress.accepted, ["a@x.example", "b@x.example"]);
    }

    #[test]
    fn attempts_run_out_only_where_that_is_asked_for() {
        let after = |attempts, max| {
            tried(attempts, Progress::default(), [deferred(), deferred(), deferred()]).into_outcome(&config(max)).0
        };
        assert!(matches!(after(8, Some(10)), Outcome::Delayed { .. }));
        let error = "given up after 10 attempts; the last failure (deferred): 450 busy".to_owned();
        assert_eq!(after(9, Some(10)), Outcome::Failed { class: Class::GivenUp, error });
        assert!(matches!(after(9998, None), Outcome::Delayed { .. }));
    }

    #[test]
    fn silence_costs_an_attempt_only_the_third_time_in_a_row() {
        let mut progress = Progress::default();
        for (nth, costs) in [(1, false), (2, false), (3, true), (4, true)] {
            let (outcome, after) = outcome_of(0, progress, [silent(), silent(), silent()]);
            assert_eq!(matches!(outcome, Outcome::Delayed { .. }), costs, "{nth}: {outcome:?}");
            assert_eq!(after.timeouts, nth);
            progress = after;
        }
        assert_eq!(outcome_of(0, progress, [deferred(), deferred(), deferred()]).1.timeouts, 0);
    }

    #[test]
    fn who_was_not_decided_upon_waits_for_what_is_at_fault() {
        let recipient: Mailbox = "b@x.example".parse().unwrap();
        let delivery = Fault::of_relay(Class::Authentication, "530 log in first").into();
        let tried = Tried::new(0, Progress::default(), &[&recipient], delivery);
        assert!(!tried.is_over());
        assert_eq!(tried.failure(), Failure::new(Class::Authentication, "530 log in first"));
    }

    #[test]
    fn an_answer_of_the_server_becomes_one_line_of_bounded_length_without_addresses_in_the_log() {
        let long = printable(&format!("550\r\n{}", "x".repeat(10_000)), MAX_ERROR);
        assert!(long.chars().count() <= MAX_ERROR + 1 && !long.contains('\n'));
        assert_eq!(without_addresses("550 <bob@x.example>: unknown"), "550 <address>: unknown");
    }

    #[test]
    fn our_own_words_stay_whole_in_the_log_whatever_addresses_are_between_them() {
        let unsupported = smtp_client::Unsupported::Recipient.to_string();
        assert!(unsupported.contains(" @,"), "{unsupported}");
        for (text, expected) in [
            (unsupported.as_str(), unsupported.as_str()),
            ("550 5.1.1 no such user; ask again", "550 5.1.1 no such user; ask again"),
            (
                "not accepted for now for 2 of 4 recipients: a@x.example, b@x.example: 450 busy",
                "not accepted for now for 2 of 4 recipients: <address>, <address>: 450 busy",
            ),
            ("refused: <o'brien@x.example> (grüße@x.example).", "refused: <address> (<address>)."),
            ("550 \"bob@x.example\"", "550 \"<address>\""),
            ("to=<bob@x.example>,<eve@[192.0.2.1]>", "to=<address>,<address>"),
            ("@", "@"),
            ("", ""),
        ] {
            assert_eq!(without_addresses(text), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_address_is_left_whatever_stands_around_it(before in "[ <>,;:().\"'a-z@]{0,9}", after in "[ <>,;:().\"'@-]{0,9}") {
            let text = format!("{before}bob@x.example{after}");
            proptest::prop_assert!(!without_addresses(&text).contains("bob@x"), "{text}");
        }
    }
}
