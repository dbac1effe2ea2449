//! Lost emails, and wrong dead letters.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use e2e::Mail;
use redis::Commands;
use testkit::{Received, RedisServer};

use crate::{clients::Answers, relay::REFUSED};

/// How many examples of a fault are named.
const EXAMPLES: usize = 10;

pub(crate) struct Verdict {
    accepted: usize,
    unfinished: usize,
    repeated: usize,
    /// `id recipient`, where an accepted email has not arrived.
    lost: Vec<String>,
    /// `id class`, where an email is a dead letter and the relay has refused none of its recipients for good.
    unjust: Vec<String>,
    wrong: Vec<String>,
}

impl Verdict {
    pub(crate) fn is_good(&self) -> bool {
        self.unfinished == 0 && self.lost.is_empty() && self.unjust.is_empty() && self.wrong.is_empty()
    }
}

/// Compares the emails that arrived with those that were accepted.
pub(crate) fn judge(answers: &Answers, received: &[Received], unfinished: usize, redis: &RedisServer) -> Verdict {
    let mut arrived: HashMap<String, HashSet<&str>> = HashMap::new();
    let mut repeated = 0;
    for received in received {
        let mail = Mail::new(received.clone());
        let recipients = arrived.entry(mail.id().to_owned()).or_default();
        for recipient in &received.recipients {
            repeated += usize::from(!recipients.insert(recipient));
        }
    }
    let mut lost = Vec::new();
    for email in &answers.accepted {
        let arrived = arrived.get(&email.id);
        for recipient in email.recipients.iter().filter(|recipient| !recipient.ends_with(REFUSED)) {
            if !arrived.is_some_and(|arrived| arrived.contains(recipient.as_str())) {
                lost.push(format!("{} {recipient}", email.id));
            }
        }
    }
    let unjust = dead_letters(redis).into_iter().filter(|(_, class)| class != "recipient");
    let unjust = unjust.map(|(id, class)| format!("{id} {class}")).collect();
    Verdict { accepted: answers.accepted.len(), unfinished, repeated, lost, unjust, wrong: answers.wrong.clone() }
}

/// Each with its class.
fn dead_letters(redis: &RedisServer) -> Vec<(String, String)> {
    let mut redis = redis.connection();
    let ids: Vec<String> = redis.zrange("emails:failed", 0, -1).unwrap_or_else(|error| panic!("Redis: {error}"));
    let class = |id: &String| redis.hget::<_, _, Option<String>>(format!("emails:failure:{id}"), "class");
    let classes: Vec<_> = ids.iter().map(class).collect();
    ids.into_iter().zip(classes).map(|(id, class)| (id, class.ok().flatten().unwrap_or_default())).collect()
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted, unfinished, repeated, lost, unjust, wrong } = self;
        writeln!(f, "accepted {accepted}, unfinished {unfinished}, handed over once more {repeated}")?;
        for (what, examples) in [("lost", lost), ("unjust dead letters", unjust), ("wrong answers", wrong)] {
            write!(f, "{what}: {}", examples.len())?;
            for example in examples.iter().take(EXAMPLES) {
                write!(f, "\n    {example}")?;
            }
            if what != "wrong answers" {
                writeln!(f)?;
            }
        }
        Ok(())
    }
}
