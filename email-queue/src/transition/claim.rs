use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;

use super::{ClaimRef, Progress};
use crate::{
    EmailId, Lane, Queue,
    call::{Answer, Call, UnexpectedAnswer, Value},
    record::{Header, split},
    script::CLAIM,
};

/// What [`claim`] needs.
#[derive(Debug)]
pub struct Claim<'a> {
    /// The worker's id, unique for each run.
    pub worker: &'a str,
    /// How long the lease lasts if it is not renewed.
    pub lease: Duration,
    /// How many emails at the most.
    pub max: usize,
    /// How many bytes of them at the most.
    pub bytes: ByteBudget,
    /// The entry that `BRPOP` just returned; claimed first.
    pub popped: Option<PoppedEntry>,
}

/// How many bytes of emails a claim may return. Redis reads no more than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteBudget {
    /// The limit for all emails together, if the claim returns more than one.
    pub all: usize,
    /// The limit for the first email; it may be larger than the limit for all.
    pub first: usize,
}

/// Larger entries of other programs become dead letters: 40 MiB.
pub const LARGEST: usize = 40 * 1024 * 1024;

/// A reply of [`BRPOP`](https://redis.io/docs/latest/commands/brpop/).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoppedEntry {
    /// The list it was on.
    pub list: Vec<u8>,
    /// An id, or the content that another program has pushed. Shared, because it may be large and a claim need not copy
    /// it.
    pub entry: Arc<Vec<u8>>,
    /// The number of this pop by the worker. A repeated claim of an entry that is not an id creates no second record
    /// for it.
    pub number: u64,
}

impl PoppedEntry {
    /// Whether the entry leads to an email that has a record.
    #[must_use]
    pub fn is_id(&self) -> bool {
        EmailId::from_redis(&self.entry).is_some()
    }
}

/// An email that this worker has claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The claim, to be named when the email is finished, extended or released.
    pub claim: ClaimRef,
    /// How many attempts have been made before.
    pub attempts: u32,
    /// When it was accepted.
    pub created: Timestamp,
    /// The progress of earlier attempts.
    pub progress: Progress,
    /// The email as JSON. From the API it is valid; from a plain `LPUSH` it can be anything.
    pub json: Bytes,
    /// Whether the rest of the reply was unreadable. Then there is nothing to send, but the claim can record the
    /// failure.
    pub unreadable: bool,
}

/// The answer to a claim.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claims {
    /// The emails, the most urgent first.
    pub emails: Vec<Claimed>,
    /// Whether the first is the popped entry, and not an id: the reply omits its JSON, because the worker has it.
    pub popped: bool,
    /// The size of the next email, when there was no room for it.
    pub left: Option<usize>,
    /// The lanes that are paused: nothing of them was claimed, and a popped entry of one was put back.
    pub paused: Vec<Lane>,
}

impl Claims {
    /// Whether the claim brought nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.emails.is_empty()
    }

    /// Sets the first email's JSON, if it is the popped entry.
    pub fn set_popped_json(&mut self, entry: Arc<Vec<u8>>) {
        if let Some(email) = self.emails.first_mut().filter(|_| self.popped) {
            email.json = Arc::unwrap_or_clone(entry).into();
        }
    }
}

/// Claims emails for a worker: most urgent lane first, oldest first within a lane.
///
/// Returns fewer than `max`, or none, if no more wait, their lanes are paused, or the next is too large. A popped entry that is too
/// large, or of a lane that is paused, goes back to the front of its lane.
pub fn claim(queue: &Queue, claim: Claim<'_>) -> Call<Claims> {
    let call = Call::script(&CLAIM, queue, claimed)
        .argument(claim.worker)
        .milliseconds(claim.lease)
        .number(claim.max)
        .number(claim.bytes.all)
        .number(claim.bytes.first);
    match claim.popped {
        None => call.argument("").argument("").argument(""),
        Some(popped) => {
            let import = if popped.is_id() { String::new() } else { popped.number.to_string() };
            call.argument(popped.list).shared(popped.entry).argument(import)
        }
    }
}

/// Parses a reply to its end, one email at a time, so that an unreadable one does not affect others. Skips a record
/// under a name that is not an id, which was written by hand and could not be finished.
pub(super) fn claimed(answer: &mut Answer) -> Result<Claims, UnexpectedAnswer> {
    let mut claims = Claims::default();
    while !answer.is_empty() {
        let id = match answer.next()? {
            Value::Bytes(id) => EmailId::from_redis(&id),
            Value::Int(paused) if paused < 0 => {
                let is_paused = |lane: &Lane| -paused & 1 << *lane as u8 != 0;
                claims.paused = Lane::ALL.into_iter().filter(is_paused).collect();
                continue;
            }
            Value::Int(left) => {
                claims.left = Some(left.try_into().unwrap_or(0));
                continue;
            }
            _ => return Err(UnexpectedAnswer),
        };
        let number: i64 = answer.number()?;
        let (progress, record) = (answer.bytes()?, answer.bytes()?);
        let Some(id) = id else { continue };
        let claim = ClaimRef { id, number: number.unsigned_abs() };
        claims.popped |= number < 0;
        claims.emails.push(email(claim, &progress, record).unwrap_or(Claimed {
            claim,
            attempts: 0,
            created: Timestamp::UNIX_EPOCH,
            progress: Progress::default(),
            json: Bytes::new(),
            unreadable: true,
        }));
    }
    Ok(claims)
}

fn email(claim: ClaimRef, progress: &[u8], record: Vec<u8>) -> Option<Claimed> {
    let progress = Progress::read(progress)?;
    let (Header { attempts, created, .. }, json) = split(record).ok()?;
    Some(Claimed { claim, attempts, created, progress, json, unreadable: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "queued    5000000000001 00000 0000 00 normal 1764000000000\n";

    fn answer(emails: &[(&str, i64, &str, &str)], left: Option<i64>) -> Claims {
        let values = emails.iter().flat_map(|(id, number, accepted, record)| {
            [
                Value::Bytes((*id).into()),
                Value::Int(*number),
                Value::Bytes((*accepted).into()),
                Value::Bytes((*record).into()),
            ]
        });
        claimed(&mut Answer::of(values.chain(left.map(Value::Int)).collect())).unwrap()
    }

    #[test]
    fn what_cannot_be_read_of_one_email_costs_no_other() {
        let [one, two, three] = [(); 3].map(|()| EmailId::new().to_string());
        let good = format!("{HEADER}{{}}");
        let claims =
            answer(&[(&one, 1, "", &good), (&two, 7, "", "no record"), (&three, 2, "no JSON", &good)], Some(99));
        let read = claims.emails.iter().map(|email| (email.claim.id.to_string(), email.claim.number, email.unreadable));
        assert_eq!(read.collect::<Vec<_>>(), [(one, 1, false), (two, 7, true), (three, 2, true)]);
        assert_eq!(claims.left, Some(99));
    }

    #[test]
    fn what_has_a_record_under_a_name_that_is_no_id_is_passed_over() {
        let (id, good) = (EmailId::new().to_string(), format!("{HEADER}{{}}"));
        let strange = [id.to_uppercase(), "x".repeat(36), format!("{}{}", &id[..7], &id[8..])];
        for strange in strange.iter().filter(|strange| **strange != id) {
            let claims = answer(&[(strange, 1, "", &good), (&id, 1, "", &good)], None);
            let read: Vec<_> = claims.emails.iter().map(|email| email.claim.id.to_string()).collect();
            assert_eq!(read, [id.as_str()], "{strange}");
        }
    }

    #[test]
    fn an_entry_that_the_worker_has_comes_without_its_json() {
        let claims = answer(&[(&EmailId::new().to_string(), -3, "", HEADER)], None);
        assert!(claims.popped);
        assert_eq!((claims.emails[0].claim.number, claims.emails[0].json.len()), (3, 0));
    }
}
