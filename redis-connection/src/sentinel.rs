//! Where the master is, by [Sentinel](https://redis.io/docs/latest/develop/reference/sentinel-clients/).

use std::{
    collections::HashMap,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{ErrorKind, FromRedisValue, RedisResult, Value};
use tokio::{
    sync::Mutex,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{address::Address, connection::Connection, log_in::log_in, stream, tls::Tls, url::SentinelSet};

/// How long a sentinel may take to answer, connecting included. The others are asked at the same time.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How often the sentinels are asked whether the master is another.
const PAUSE: Duration = Duration::from_secs(1);

/// Sentinels that watch a master.
pub(crate) struct Sentinels {
    set: Arc<SentinelSet>,
    tls: Option<Arc<Tls>>,
    /// What they last said, and when. All connections share the question.
    last: Mutex<Option<(Instant, Address)>>,
}

/// What one sentinel says.
struct Master {
    address: Address,
    /// Counts fail-overs: of two sentinels that disagree, one has not heard of the last.
    epoch: u64,
}

impl Sentinels {
    pub(crate) fn new(set: SentinelSet, tls: Option<Arc<Tls>>) -> Self {
        Self { set: Arc::new(set), tls, last: Mutex::default() }
    }

    /// The address of the master now. Takes no longer than a second.
    ///
    /// # Errors
    /// No sentinel answers, or none knows the master; the error is that of the last.
    pub(crate) async fn master(&self) -> RedisResult<Address> {
        let mut last = self.last.lock().await;
        let address = self.ask_all().await?;
        *last = Some((Instant::now(), address.clone()));
        Ok(address)
    }

    /// Waits until the sentinels name another master than this one. While none answers, nothing is known to have changed.
    pub(crate) async fn wait_until_demoted(&self, master: &Address) {
        loop {
            sleep(PAUSE).await;
            let mut last = self.last.lock().await;
            let is_fresh = last.as_ref().is_some_and(|(asked, _)| asked.elapsed() < PAUSE / 2);
            if !is_fresh && let Ok(address) = self.ask_all().await {
                *last = Some((Instant::now(), address));
            }
            if let Some((_, address)) = &*last
                && address != master
            {
                tracing::warn!(was = %master, is = %address, "the sentinels name another master; connections to the former one are closed");
                return;
            }
        }
    }

    async fn ask_all(&self) -> RedisResult<Address> {
        let mut asked = JoinSet::new();
        for sentinel in &self.set.sentinels {
            let (sentinel, set, tls) = (sentinel.clone(), Arc::clone(&self.set), self.tls.clone());
            asked.spawn(async move {
                let answer = timeout(TIMEOUT, ask(&sentinel, &set, tls.as_deref())).await;
                answer.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
            });
        }
        let (mut newest, mut failure): (Option<Master>, _) = (None, None);
        while let Some(answer) = asked.join_next().await {
            match answer {
                Ok(Ok(master)) if newest.as_ref().is_none_or(|newest| newest.epoch < master.epoch) => {
                    newest = Some(master);
                }
                Ok(Ok(_)) | Err(_) => {}
                Ok(Err(error)) => failure = Some(error),
            }
        }
        newest.map(|master| master.address).ok_or_else(|| {
            failure.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotConnected, "no sentinel answers").into())
        })
    }
}

/// Asks one sentinel.
async fn ask(sentinel: &Address, set: &SentinelSet, tls: Option<&Tls>) -> RedisResult<Master> {
    let stream = stream::connect(sentinel, tls).await?;
    let (connection, driver) = log_in(stream, &set.login).await?;
    let connection = Connection::new(connection, driver);
    let answer = connection.send(redis::cmd("SENTINEL").arg("MASTER").arg(&set.master)).await?.extract_error()?;
    master(answer)
        .ok_or_else(|| (ErrorKind::UnexpectedReturnType, "a sentinel does not say where the master is").into())
}

fn master(answer: Value) -> Option<Master> {
    let fields = HashMap::<String, String>::from_redis_value(answer).ok()?;
    Some(Master {
        address: Address::Tcp(fields.get("ip")?.clone(), fields.get("port")?.parse().ok()?),
        epoch: fields.get("config-epoch")?.parse().ok()?,
    })
}
