//! The files of `deploy/sentinel/`: a master fails while emails flow.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::{env, fs, net::SocketAddr, path::Path, process::Command};

use e2e::{Api, Arrivals, Load, Records, Worker};
use tempfile::TempDir;
use testkit::{DEADLINE, Process, RedisSentinel, RedisServer, SmtpServer, TcpProxy, eventually, ports::free_port};
use tokio::{net::TcpStream, runtime::Handle, task::block_in_place};

/// A master, two replicas, three sentinels and the proxy, as the recipe has them.
struct Recipe {
    redis: RedisSentinel,
    /// Between the first master and the others.
    network: TcpProxy,
    proxy: Process,
    proxy_address: SocketAddr,
    _directory: TempDir,
}

fn text(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(file)).unwrap()
}

/// The settings of a file, which may be no others than these.
fn settings(file: &str, left_out: &[&str]) -> Vec<(String, String)> {
    let text = text(file);
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let settings =
        lines.filter_map(|line| line.split_once(' ')).map(|(name, value)| (name.to_owned(), value.to_owned()));
    settings.filter(|(name, _)| !left_out.contains(&name.as_str())).collect()
}

impl Recipe {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let acl = directory.path().join("users.acl");
        // The test itself asks the servers without a password.
        let off = "user default off resetpass resetkeys -@all";
        let users = text("redis/users.acl") + &text("sentinel/users.acl");
        assert!(users.contains(off));
        let users = users.replace(off, "user default on nopass allchannels ~* &* +@all");
        fs::write(&acl, users.replace("WORKER_PASSWORD resetchannels", "WORKER_PASSWORD resetchannels +role")).unwrap();

        let mut options = RedisServer::builder().setting("aclfile", acl.to_str().unwrap());
        for (name, value) in settings("sentinel/redis.conf", &["bind"]) {
            options = options.setting(name, value);
        }
        // The addresses of the test, and a shorter wait than the recipe's.
        let sentinel: Vec<_> = settings("sentinel/sentinel.conf", &["port", "bind"])
            .into_iter()
            .map(|(name, value)| format!("{name} {value}"))
            .filter(|line| !["sentinel monitor", "sentinel down-after"].iter().any(|other| line.starts_with(other)))
            .collect();
        assert_eq!(sentinel.len(), 4, "{sentinel:?}");
        let mut network = None;
        let redis = RedisSentinel::start_with(2, options, &sentinel.join("\n"), |master| {
            let started = block_in_place(|| Handle::current().block_on(TcpProxy::start(master)));
            network.insert(started).address()
        });
        let network = network.unwrap();
        let (proxy, proxy_address) = proxy(&directory, &redis, network.address().port()).await;
        Self { redis, network, proxy, proxy_address, _directory: directory }
    }

    /// The native server asks the sentinels, the component's host goes through the proxy.
    async fn api(&self, through_proxy: bool) -> Api {
        let login = "email-queue-api:API_PASSWORD@";
        let url = match Api::is_native() && !through_proxy {
            true => self.redis.url_as(login),
            false => format!("redis://{login}{}", self.proxy_address),
        };
        Api::start_with(&url, &[("require_replicas", "1")]).await
    }
}

async fn proxy(directory: &TempDir, redis: &RedisSentinel, first_port: u16) -> (Process, SocketAddr) {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut conf = text("sentinel/haproxy.cfg").replace("127.0.0.1:6380", &address.to_string());
    for (number, (server, sentinel)) in redis.servers().iter().zip(redis.sentinels()).enumerate() {
        let host = format!("10.0.0.1{}", number + 1);
        let known_port = if number == 0 { first_port } else { server.port() };
        for (from, to) in [
            (format!("{host}:6379"), server.address().to_string()),
            (format!("{host}:26379"), sentinel.to_string()),
            (
                format!(r"\n{}\r\n.*\n6379\r\n", host.replace('.', r"\.")),
                format!(r"\n127\.0\.0\.1\r\n.*\n{known_port}\r\n"),
            ),
        ] {
            assert!(conf.contains(&from), "{from}");
            conf = conf.replace(&from, &to);
        }
    }
    assert!(!conf.contains("10.0.0."), "{conf}");
    // No more than a machine with a low limit of open files has.
    assert!(conf.contains("maxconn 2000"));
    conf = conf.replace("maxconn 2000", "maxconn 100");
    let file = directory.path().join("haproxy.cfg");
    fs::write(&file, conf).unwrap();
    let root = env::var_os("HAPROXY_ROOT").unwrap_or_else(|| "/".into());
    let mut command = Command::new(Path::new(&root).join("usr/sbin/haproxy"));
    command.arg("-db").arg("-f").arg(&file);
    let process = Process::start(command);
    eventually(DEADLINE, "the proxy to listen", async || TcpStream::connect(address).await.is_ok()).await;
    (process, address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_accepted_email_is_lost_when_the_master_is_killed() {
    let mut recipe = Recipe::start().await;
    let (api, server) = (recipe.api(true).await, SmtpServer::start().await);
    let worker_url = recipe.redis.url_as("email-queue-worker:WORKER_PASSWORD@");
    let _worker = Worker::ready(&worker_url, &server.url(), &[]).await;
    let load = Load::start(&api);
    load.wait_for_more(100).await;
    recipe.redis.server_mut(0).kill_now();
    let master = recipe.redis.wait_for_fail_over(0);
    load.wait_for_more(100).await;
    let told = load.stop().await;
    Records::of(&recipe.redis.servers()[master]).wait_until_sent().await;
    Arrivals::new(server.received()).assert_all(&told.accepted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_was_frozen_and_replaced_is_left_and_serves_nobody_when_it_comes_back() {
    let recipe = Recipe::start().await;
    // A sentinel that does not answer holds up nobody.
    recipe.redis.freeze_sentinel(0);
    let (api, server) = (recipe.api(false).await, SmtpServer::start().await);
    let worker_url = recipe.redis.url_as("email-queue-worker:WORKER_PASSWORD@");
    let _worker = Worker::ready(&worker_url, &server.url(), &[]).await;
    let load = Load::start(&api);
    load.wait_for_more(50).await;
    recipe.redis.servers()[0].freeze();
    let master = recipe.redis.wait_for_fail_over(0);
    load.wait_for_more(50).await;
    recipe.redis.servers()[0].thaw();
    load.wait_for_more(200).await;
    let told = load.stop().await;
    Records::of(&recipe.redis.servers()[master]).wait_until_sent().await;
    Arrivals::new(server.received()).assert_all(&told.accepted);
    assert!(recipe.proxy.is_running());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_cut_off_from_the_others_and_not_from_the_api_is_left() {
    let recipe = Recipe::start().await;
    let (api, server) = (recipe.api(true).await, SmtpServer::start().await);
    let worker_url = recipe.redis.url_as("email-queue-worker:WORKER_PASSWORD@");
    let _worker = Worker::ready(&worker_url, &server.url(), &[]).await;
    let load = Load::start(&api);
    load.wait_for_more(50).await;
    recipe.network.silence();
    let master = recipe.redis.wait_for_fail_over(0);
    load.wait_for_more(50).await;
    recipe.network.heal();
    load.wait_for_more(50).await;
    let told = load.stop().await;
    Records::of(&recipe.redis.servers()[master]).wait_until_sent().await;
    Arrivals::new(server.received()).assert_all(&told.accepted);
}
