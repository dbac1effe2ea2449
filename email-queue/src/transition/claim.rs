use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{ClaimRef, Progress};
use crate::{
    EmailId, Queue,
    call::{Answer, Call, UnexpectedAnswer, Value},
    record::{Header, split},
    script::CLAIM,
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
    /// How much of them.
    pub bytes: ByteBudget,
    /// What `BRPOP` just took off a list; claimed before any other.
    pub popped: Option<PoppedEntry>,
}

/// How many bytes of email a claim may bring. Redis looks at no more than that, whatever lies on the lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteBudget {
    /// All together, if there is more than one.
    pub all: usize,
    /// The first one, which may be larger than the rest.
    pub first: usize,
}

/// No entry that another program pushes is taken for an email if it is larger: 40 MiB.
pub const LARGEST: usize = 40 * 1024 * 1024;

/// An answer of [`BRPOP`](https://redis.io/docs/latest/commands/brpop/).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoppedEntry {
    /// The list it was on.
    pub list: Vec<u8>,
    /// An id, or whatever another program has pushed there. Shared, because it may be large: a claim need not copy it.
    pub entry: Arc<Vec<u8>>,
    /// Which entry it is of those that the worker has popped, so that the claim of it can be repeated: if the entry is no
    /// id, a repeated claim gives it no second record.
    pub number: u64,
}

impl PoppedEntry {
    /// Whether the entry leads to an email that has a record.
    #[must_use]
    pub fn is_id(&self) -> bool {
        EmailId::from_redis(&self.entry).is_some()
    }
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
    /// What the attempts before have come to.
    pub progress: Progress,
    /// The email as JSON. From the API it is valid; from a plain `LPUSH` it can be anything.
    pub json: Vec<u8>,
    /// Whether the rest could not be read from the answer. Then there is nothing to send; the claim is good for saying so.
    pub unreadable: bool,
}

/// The answer to a claim.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claims {
    /// The emails, the most urgent first.
    pub emails: Vec<Claimed>,
    /// Whether the first of them is the popped entry, which was no id: its JSON is not in the answer, because the worker
    /// has it.
    pub popped: bool,
    /// The size of the next email, when there was no room for it.
    pub left: Option<usize>,
}

impl Claims {
    /// Whether the claim brought nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.emails.is_empty()
    }

    /// Gives the first email its JSON, if it is the entry that was popped for this claim.
    pub fn give(&mut self, entry: Arc<Vec<u8>>) {
        if let Some(email) = self.emails.first_mut().filter(|_| self.popped) {
            email.json = Arc::unwrap_or_clone(entry);
        }
    }
}

/// Takes emails off the lists, the most urgent lane first and the oldest first within it, for a worker to send.
///
/// Fewer than asked for, or none, when no more wait, or the next one is too large. A popped entry that is too large goes
/// back to the front of its lane.
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

/// Reads to the end of an answer. Emails are read one by one, so that what is wrong with one costs no other. What has a
/// record under a name that is no id was put there by hand, and is passed over: nobody could name it to Redis again.
pub(super) fn claimed(answer: &mut Answer) -> Result<Claims, UnexpectedAnswer> {
    let mut claims = Claims::default();
    while !answer.is_empty() {
        let id = match answer.next()? {
            Value::Bytes(id) => EmailId::from_redis(&id),
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
            json: Vec::new(),
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
