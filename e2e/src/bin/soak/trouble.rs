//! The faults.

use std::{collections::BTreeMap, time::Duration};

use e2e::{Api, Worker};
use testkit::{RedisServer, TcpProxy};
use tokio::{sync::watch, time::sleep};

use crate::relay::{Mood, Relay};

/// The slow line, in bytes a second and direction: 4 Mbit/s.
const LINE: u32 = 500_000;

const WORKERS: usize = 3;

/// API, Redis and workers, and their faults.
pub(crate) struct Trouble {
    random: fastrand::Rng,
    redis: RedisServer,
    relay: Relay,
    /// Between Redis and the first worker.
    line: TcpProxy,
    api: Api,
    api_address: watch::Sender<String>,
    workers: Vec<Worker>,
    count: BTreeMap<&'static str, usize>,
}

impl Trouble {
    /// Starts everything but the clients.
    pub(crate) async fn start(seed: u64, relay: Relay) -> Self {
        let redis = RedisServer::start();
        let line = TcpProxy::start(redis.address()).await;
        line.throttle(LINE);
        let api = Api::start(&redis).await;
        let (api_address, _) = watch::channel(api.address().to_owned());
        let random = fastrand::Rng::with_seed(seed);
        let mut trouble =
            Self { random, redis, relay, line, api, api_address, workers: Vec::new(), count: BTreeMap::new() };
        trouble.workers = (0..WORKERS).map(|nth| trouble.worker(nth)).collect();
        trouble
    }

    pub(crate) fn redis(&self) -> &RedisServer {
        &self.redis
    }

    /// Where clients are to post; a new API has a new address.
    pub(crate) fn api_address(&self) -> watch::Receiver<String> {
        self.api_address.subscribe()
    }

    /// The number of each fault.
    pub(crate) fn summary(&self) -> String {
        let count = self.count.iter().map(|(what, times)| format!("{what}: {times}"));
        count.collect::<Vec<_>>().join(", ")
    }

    /// Waits, then causes a fault for some time. True if Redis was killed.
    pub(crate) async fn next(&mut self) -> bool {
        self.pause(1..4).await;
        let what = match self.random.u8(..100) {
            0..35 => self.kill_worker(),
            35..45 => self.kill_api().await,
            45..60 => self.fill_redis().await,
            60..70 => self.silence_line().await,
            70..75 => self.cut_line(),
            75..80 => self.kill_redis(),
            _ => self.upset_relay().await,
        };
        *self.count.entry(what).or_default() += 1;
        what == REDIS_KILLED
    }

    /// Ends all faults, and starts all workers.
    pub(crate) async fn end(&mut self) {
        self.line.throttle(u32::MAX);
        self.line.resume();
        // A worker that has exited counts like one that was killed.
        for nth in 0..WORKERS {
            self.workers[nth] = self.worker(nth);
        }
    }

    fn worker(&self, nth: usize) -> Worker {
        let redis = if nth == 0 { self.redis.url_through(self.line.address()) } else { self.redis.url() };
        let flags = ["--concurrency", "20", "--lease", "5s", "--retry-max", "2s", "--smtp-timeout", "5s"];
        Worker::start(&redis, &self.relay.url(), &flags)
    }

    fn kill_worker(&mut self) -> &'static str {
        let nth = self.random.usize(..WORKERS);
        self.workers[nth].process.kill_now();
        self.workers[nth] = self.worker(nth);
        "workers killed"
    }

    async fn kill_api(&mut self) -> &'static str {
        self.api.process.kill_now();
        self.api = Api::start(&self.redis).await;
        self.api_address.send_replace(self.api.address().to_owned());
        "APIs killed"
    }

    async fn fill_redis(&mut self) -> &'static str {
        self.set_max_memory("1mb");
        self.pause(2..10).await;
        self.set_max_memory("0");
        "Redis full"
    }

    fn set_max_memory(&self, bytes: &str) {
        let mut redis = self.redis.connection();
        for (name, value) in [("maxmemory-policy", "noeviction"), ("maxmemory", bytes)] {
            let set: redis::RedisResult<()> = redis::cmd("CONFIG").arg("SET").arg(name).arg(value).query(&mut redis);
            if let Err(error) = set {
                panic!("Redis cannot be set up: {error}");
            }
        }
    }

    async fn silence_line(&mut self) -> &'static str {
        self.line.silence();
        self.pause(1..15).await;
        self.line.resume();
        "line silent"
    }

    fn cut_line(&mut self) -> &'static str {
        self.line.cut();
        "line cut"
    }

    fn kill_redis(&mut self) -> &'static str {
        self.redis.kill_now();
        self.redis.start_again();
        REDIS_KILLED
    }

    async fn upset_relay(&mut self) -> &'static str {
        let moods = [Mood::Closed, Mood::WantsLogin, Mood::OutOfSpace];
        let mood = moods[self.random.usize(..moods.len())];
        self.relay.set_mood(mood);
        self.pause(2..12).await;
        self.relay.set_mood(Mood::Usual);
        "relay upset"
    }

    /// A random time within so many seconds. The moment of a fault is no condition to wait for.
    async fn pause(&mut self, seconds: std::ops::Range<u64>) {
        sleep(Duration::from_millis(self.random.u64(seconds.start * 1000..seconds.end * 1000))).await;
    }
}

const REDIS_KILLED: &str = "Redis killed";
