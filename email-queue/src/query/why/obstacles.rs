//! What stops an email, whatever it waits for besides.

use super::{
    facts::Facts,
    reason::Reason,
    words::{failure, text_of},
};
use crate::query::held::HeldOff;

/// In the order in which they stop an email that could be sent now: what stops all emails of a lane comes before what this one waits
/// for.
const IN_ORDER: [Reason; 4] = [Reason::Paused, Reason::NoWorker, Reason::RelayHeldOff, Reason::SenderHeldOff];

/// All that stops an email now.
pub(super) fn obstacles(facts: &Facts) -> impl Iterator<Item = Reason> {
    IN_ORDER.into_iter().filter(|reason| clause(facts, *reason).is_some())
}

/// The sentence that also names what stops the email besides, which is still there when its reason is gone.
pub(super) fn with_others(facts: &Facts, sentence: &str, also: &[Reason]) -> String {
    let clauses: Vec<_> = also.iter().filter_map(|reason| clause(facts, *reason)).collect();
    if clauses.is_empty() { sentence.to_owned() } else { format!("{sentence} Besides: {}.", clauses.join("; ")) }
}

/// The relay's refusal of its sender, while it lasts.
pub(super) fn held_sender(facts: &Facts) -> Option<&HeldOff> {
    facts.held_sender.as_ref().filter(|held| held.until > facts.now)
}

/// In a few words; `None` if it does not stop the email.
fn clause(facts: &Facts, reason: Reason) -> Option<String> {
    let lane = facts.header.lane;
    match reason {
        Reason::Paused => {
            let since = facts.paused[lane as usize]?;
            Some(format!("its lane, {lane}, has been paused since {}", text_of(since)))
        }
        Reason::NoWorker => (facts.workers == 0).then(|| match facts.unserved {
            Some(shard) => format!("no worker serves its shard, {shard}"),
            None => "no worker runs".to_owned(),
        }),
        Reason::RelayHeldOff => {
            let relay = facts.held_relay.as_ref()?;
            Some(format!("the relay {} fails ({})", relay.name, failure(relay.class, &relay.error)))
        }
        Reason::SenderHeldOff => {
            let held = held_sender(facts)?;
            Some(format!("the relay refuses emails of its sender ({})", held.error))
        }
        _ => None,
    }
}
