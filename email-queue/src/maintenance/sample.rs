use std::{collections::BTreeMap, time::Duration};

use crate::{Histogram, Queue, call::Call, script::SAMPLE};

/// How far apart the samples of a queue's history are.
pub const SAMPLES_APART: Duration = Duration::from_secs(10);

/// Adds to the queue's history: a sample of its counters, unless another worker has taken one less than `apart` ago, and how long
/// emails took from being accepted to being sent, by the minute since 1970 in which they were sent. Each worker calls it about
/// every ten seconds ([`SAMPLES_APART`]), for all that it has sent since.
pub fn sample(queue: &Queue, apart: Duration, latencies: &BTreeMap<i64, Histogram>) -> Call<()> {
    let call = Call::script(&SAMPLE, queue, |_| Ok(())).milliseconds(apart);
    latencies.iter().fold(call, |call, (minute, latencies)| call.number(minute).argument(latencies.to_string()))
}
