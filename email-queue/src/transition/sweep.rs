use std::time::Duration;

use super::{MAX_RECOVERIES, SWEEP, milliseconds};
use crate::{Queue, call::Call};

/// What [`sweep`] needs. The default suits everything but tests.
#[derive(Debug, Clone, Copy)]
pub struct Sweep {
    /// How long no other worker sweeps after this call.
    pub turn: Duration,
    /// How many emails at the most for each kind of work, so that Redis is never busy for long.
    pub batch: usize,
    /// How long an email may be popped and not claimed before its worker counts as dead.
    pub grace: Duration,
    /// How often an email may be taken back from a dead worker before it becomes a dead letter: an email that kills
    /// every worker that touches it must not do so for ever.
    pub max_recoveries: u32,
    /// How long nobody needs to sweep when nothing is to be expected.
    pub rest: Duration,
}

impl Default for Sweep {
    fn default() -> Self {
        Self {
            turn: Duration::from_millis(900),
            batch: 1000,
            grace: Duration::from_secs(5),
            max_recoveries: MAX_RECOVERIES,
            rest: Duration::from_secs(60),
        }
    }
}

/// What a [`sweep`] has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Whether this caller had the turn; if not, nothing was done.
    pub turn: bool,
    /// Scheduled emails and retries that were due.
    pub listed: u64,
    /// Emails taken back from dead workers.
    pub recovered: u64,
    /// Emails that were popped and never claimed.
    pub relisted: u64,
    /// Emails given up because too many workers died with them.
    pub buried: u64,
    /// Finished emails past their retention.
    pub forgotten: u64,
    /// Whether there is more to do at once.
    pub more: bool,
}

/// Moves on whatever nobody holds: lists what is due, requeues what dead workers held, forgets what is past its
/// retention. To be called when it is due: see [`watch`].
pub fn sweep(queue: &Queue, sweep: Sweep) -> Call<Swept> {
    let call = Call::script(&SWEEP, queue, |answer| {
        Ok(Swept {
            turn: answer.flag()?,
            listed: answer.number()?,
            recovered: answer.number()?,
            relisted: answer.number()?,
            buried: answer.number()?,
            forgotten: answer.number()?,
            more: answer.flag()?,
        })
    });
    call.number(milliseconds(sweep.turn))
        .number(sweep.batch)
        .number(milliseconds(sweep.grace))
        .number(sweep.max_recoveries)
        .number(milliseconds(sweep.rest))
}

/// What a worker is to look after once a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// There may be something to [`sweep`].
    pub sweep_is_due: bool,
    /// A relay or a sender may be held off: see [`ask_relay`](super::ask_relay).
    pub holds_off: bool,
}

/// What there is to look after. Costs Redis one command ([`MGET`](https://redis.io/docs/latest/commands/mget/)), to be
/// asked about once a second by every worker.
pub fn watch(queue: &Queue) -> Call<Watch> {
    let call = Call::plain("MGET", |answer| {
        Ok(Watch { sweep_is_due: answer.optional_bytes()?.is_none(), holds_off: answer.optional_bytes()?.is_some() })
    });
    call.argument(queue.sweep()).argument(queue.held())
}
