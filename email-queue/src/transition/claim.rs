use std::time::Duration;

use jiff::Timestamp;

use super::{CLAIM, ClaimRef, milliseconds};
use crate::{
    Queue,
    record::{Header, split},
    redis::{Answer, Call, UnexpectedAnswer},
};

/// What [`claim`] needs.
#[derive(Debug)]
pub struct Claim<'a> {
    /// Who claims, unique for each run of a worker.
    pub worker: &'a str,
    /// How long the claim holds if it is not extended.
    pub lease: Duration,
    /// How many emails at the most.
    pub max: usize,
    /// How many bytes of email at the most; the first one is given whatever its size.
    pub max_bytes: usize,
    /// What `BRPOP` just took off a list; claimed before any other.
    pub popped: Option<PoppedEntry>,
}

/// An answer of [`BRPOP`](https://redis.io/docs/latest/commands/brpop/).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoppedEntry {
    /// The list it was on.
    pub list: Vec<u8>,
    /// An id, or whatever another program has pushed there.
    pub entry: Vec<u8>,
}

/// An email that is now this worker's to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The claim, to be named when the email is finished, extended or released.
    pub claim: ClaimRef,
    /// How many attempts have been made before.
    pub attempts: u32,
    /// When it was accepted.
    pub created: Timestamp,
    /// The recipients who have it already, from an attempt that reached only some.
    pub accepted: Vec<String>,
    /// The email as JSON. From the API it is valid; from a plain `LPUSH` it can be anything.
    pub json: Vec<u8>,
}

/// Takes emails off the lists, the most urgent lane first and the oldest first within it, for a worker to send.
///
/// Fewer than asked for, or none, when no more wait.
pub fn claim(queue: &Queue, claim: Claim<'_>) -> Call<Vec<Claimed>> {
    let (list, entry) = claim.popped.map(|popped| (popped.list, popped.entry)).unwrap_or_default();
    Call::script(&CLAIM, queue, claimed)
        .argument(claim.worker)
        .number(milliseconds(claim.lease))
        .number(claim.max)
        .number(claim.max_bytes)
        .argument(list)
        .argument(entry)
}

/// Reads to the end of an answer.
pub(super) fn claimed(answer: &mut Answer) -> Result<Vec<Claimed>, UnexpectedAnswer> {
    let mut claimed = Vec::new();
    while !answer.is_empty() {
        let id = answer.text()?.parse().map_err(|_| UnexpectedAnswer)?;
        let number = answer.number()?;
        let accepted = answer.bytes()?;
        let accepted = match accepted.as_slice() {
            b"" => Vec::new(),
            list => serde_json::from_slice(list).map_err(|_| UnexpectedAnswer)?,
        };
        let (Header { attempts, created, .. }, json) = split(answer.bytes()?)?;
        claimed.push(Claimed { claim: ClaimRef { id, number }, attempts, created, accepted, json });
    }
    Ok(claimed)
}
