//! Requests of every kind to the real component, with a real Redis, the real worker and a mail server that takes everything.
//!
//! The component must answer every request, without a server error for a client's mistake, and every accepted email
//! must be sendable.
//!
//! - [`texts`], [`values`], [`email`], [`request`]: random requests, reproducible by a seed;
//! - [`wire`]: how it is sent;
//! - [`judge`]: checks of answers, and of the accepted emails;
//! - [`findings`]: what came of it.

mod email;
mod findings;
mod judge;
mod request;
mod texts;
mod values;
mod wire;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use fastrand::Rng;
use tokio::task::JoinSet;

use crate::{MailServer, System};

pub use self::findings::{Finding, Round};
use self::{
    judge::{Accepted, accepted_by, fault_of},
    request::{KEYS, request},
    wire::Client,
};

/// How many clients send at a time.
const CLIENTS: u64 = 4;

/// The answers in a round.
#[derive(Default)]
struct Met {
    round: Round,
    accepted: BTreeMap<String, Accepted>,
}

/// Starts everything, sends so many requests, and waits until every accepted email has ended. The same seed sends the
/// same requests, except for what depends on the timing of answers.
///
/// # Panics
/// When something does not start.
pub async fn round(seed: u64, requests: u64) -> Round {
    let keys = format!("{},{}:sending", KEYS[0], KEYS[1]);
    // No worker dies here. A lease that expires on a busy machine would send an email twice.
    let system =
        System::start_with_variables(MailServer::testkit().await, &[("api_keys", &keys)], &["--lease", "60s"]).await;
    let met = Arc::new(Mutex::new(Met::default()));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let random = Rng::with_seed(seed.wrapping_mul(CLIENTS).wrapping_add(client));
        clients.spawn(send(random, requests / CLIENTS, system.api.address().to_owned(), Arc::clone(&met)));
    }
    clients.join_all().await;
    let met = std::mem::take(&mut *met.lock().unwrap_or_else(PoisonError::into_inner));
    let Met { mut round, accepted } = met;
    round.accepted = accepted.len();
    judge::fates(&system, accepted, &mut round).await;
    let complaints = system.api.complaints();
    if !complaints.is_empty() {
        let request = "the last of many".to_owned();
        round.findings.push(Finding { what: format!("the host had something to say: {complaints:?}"), request });
    }
    round
}

async fn send(mut random: Rng, requests: u64, address: String, met: Arc<Mutex<Met>>) {
    let mut client = Client::new(&address);
    let mut ids = Vec::new();
    for _ in 0..requests {
        let request = request(&mut random, &ids);
        let reply = client.send(&request).await;
        let mut met = met.lock().unwrap_or_else(PoisonError::into_inner);
        match reply {
            Err(error) => met.round.findings.push(Finding::new(format!("no answer: {error}"), &request)),
            Ok(reply) => {
                *met.round.answers.entry(reply.status).or_default() += 1;
                if let Some(fault) = fault_of(&request, &reply) {
                    met.round.findings.push(Finding::new(fault, &request));
                }
                for id in accepted_by(&request, &reply) {
                    ids.push(id.clone());
                    met.accepted.entry(id).or_insert_with(|| Accepted { request: request.clone() });
                }
            }
        }
    }
}
