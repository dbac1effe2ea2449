//! Postfix, a real mail server with its limits.
//!
//! An instance has all of its files in a directory of the test: nothing of the machine's own mail is read or written. Its
//! programs are those of an installed package, or of one that was unpacked. Only root may start its master, which then
//! makes the rest run as users without rights.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::ports::free_port;
use crate::process::Process;
use crate::wait::{DEADLINE, eventually};

/// The variable that names the directory under which Postfix is, as its package has it.
pub const ROOT_VARIABLE: &str = "POSTFIX_ROOT";

/// Users that every Linux has, and that own nothing but here: Postfix needs two without rights in common.
const OWNER: &str = "mail";
const POSTDROP: &str = "news";

/// What Postfix keeps in its queue, each in a directory that its owner alone may look into.
const QUEUES: [&str; 13] = [
    "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace",
    "maildrop", "public",
];

/// A running Postfix on a free port of 127.0.0.1. It accepts emails to `anybody@x.example`, except to names that begin
/// with `unknown`, discards them and logs the recipients.
///
/// Dropping it ends it and removes its files.
#[derive(Debug)]
pub struct Postfix {
    process: Process,
    address: SocketAddr,
    directory: TempDir,
}

impl Postfix {
    /// Starts an instance with these further settings of `main.cf`, and waits until it listens. `None`, and a word on
    /// standard error, where the user who runs the tests may not start one.
    ///
    /// # Panics
    /// When Postfix is missing, or does not start.
    pub async fn start(settings: &[&str]) -> Option<Self> {
        let status = fs::metadata("/proc/self").unwrap_or_else(|error| panic!("no /proc: {error}"));
        if std::os::unix::fs::MetadataExt::uid(&status) != 0 {
            eprintln!("NOT TESTED: Postfix' master may be started by root only; run this test as root");
            return None;
        }
        let root = root();
        let directory = TempDir::with_prefix("testkit-postfix-").unwrap_or_else(|error| panic!("{error}"));
        let port = free_port();
        let prepared = prepare(directory.path(), &root, port, settings);
        prepared.unwrap_or_else(|error| panic!("cannot prepare an instance of Postfix: {error}"));

        let mut command = Command::new(root.join("usr/lib/postfix/sbin/master"));
        command.arg("-d").arg("-c").arg(directory.path()).env("LD_LIBRARY_PATH", root.join("usr/lib/postfix"));
        let process = Process::start(command);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let listens = async || tokio::net::TcpStream::connect(address).await.is_ok();
        eventually(DEADLINE, "Postfix to listen", listens).await;
        Some(Self { process, address, directory })
    }

    /// `smtp://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// The recipients of deliveries, in order; one entry per delivery.
    pub fn delivered(&self) -> Vec<String> {
        let log = self.log();
        let delivered = log.lines().filter(|line| line.contains("postfix/discard[") && line.contains("status=sent"));
        let recipient = |line: &str| Some(line.split_once("to=<")?.1.split_once('>')?.0.to_owned());
        delivered.filter_map(recipient).collect()
    }

    /// Waits until it has delivered to so many.
    ///
    /// # Panics
    /// After [`DEADLINE`].
    pub async fn wait_for(&self, count: usize) -> Vec<String> {
        eventually(DEADLINE, &format!("{count} deliveries"), async || {
            Some(self.delivered()).filter(|delivered| delivered.len() >= count)
        })
        .await
    }

    /// How many lines with these words it has logged.
    pub fn logged(&self, words: &str) -> usize {
        self.log().lines().filter(|line| line.contains(words)).count()
    }

    /// Empty until there is something to log.
    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // The master ends the others when it is asked to, and cannot when it is killed.
        self.process.terminate();
        let pid = self.process.id();
        for _ in 0..100 {
            if !self.process.is_running() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        eprintln!("Postfix (process {pid}) does not end");
    }
}

fn root() -> PathBuf {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-tools/postfix");
    let named = std::env::var_os(ROOT_VARIABLE).map(PathBuf::from);
    let mut roots = [named, Some(PathBuf::from("/")), Some(unpacked)].into_iter().flatten();
    roots.find(|root| root.join("usr/lib/postfix/sbin/master").exists()).unwrap_or_else(|| {
        panic!("no Postfix to test with; run cargo xtask test, which fetches it, or set {ROOT_VARIABLE}")
    })
}

fn prepare(directory: &Path, root: &Path, port: u16, settings: &[&str]) -> std::io::Result<()> {
    let (here, root) = (directory.display(), root.canonicalize()?);
    let root = root.display();
    let main = format!(
        "compatibility_level = 3.6\n\
         queue_directory = {here}/spool\n\
         data_directory = {here}/data\n\
         command_directory = {root}/usr/sbin\n\
         daemon_directory = {root}/usr/lib/postfix/sbin\n\
         shlib_directory = {root}/usr/lib/postfix\n\
         meta_directory = {root}/etc/postfix\n\
         mail_owner = {OWNER}\n\
         setgid_group = {POSTDROP}\n\
         import_environment = MAIL_CONFIG MAIL_LOGTAG TZ LD_LIBRARY_PATH\n\
         export_environment = TZ LD_LIBRARY_PATH\n\
         inet_interfaces = 127.0.0.1\n\
         inet_protocols = ipv4\n\
         myhostname = postfix.example\n\
         mydestination = x.example\n\
         alias_maps =\n\
         alias_database =\n\
         local_recipient_maps = regexp:{here}/recipients\n\
         local_transport = discard:\n\
         default_transport = discard:\n\
         maillog_file = {here}/log\n\
         maillog_file_prefixes = {here}\n\
         smtpd_peername_lookup = no\n\
         smtpd_client_event_limit_exceptions =\n\
         {}\n",
        settings.join("\n")
    );
    let services = format!(
        "127.0.0.1:{port} inet n - n - - smtpd\n\
         cleanup unix n - n - 0 cleanup\n\
         qmgr unix n - n 300 1 qmgr\n\
         rewrite unix - - n - - trivial-rewrite\n\
         bounce unix - - n - 0 bounce\n\
         defer unix - - n - 0 bounce\n\
         trace unix - - n - 0 bounce\n\
         error unix - - n - - error\n\
         discard unix - - n - - discard\n\
         anvil unix - - n - 1 anvil\n\
         postlog unix-dgram n - n - 1 postlogd\n"
    );
    fs::write(directory.join("main.cf"), main)?;
    fs::write(directory.join("master.cf"), services)?;
    fs::write(directory.join("recipients"), "!/^unknown/ taken\n")?;
    let owner = user_id(OWNER)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    fs::create_dir_all(directory.join("spool/pid"))?;
    fs::create_dir(directory.join("data"))?;
    chown(directory.join("data"), Some(owner), None)?;
    for queue in QUEUES {
        let queue = directory.join("spool").join(queue);
        fs::create_dir(&queue)?;
        fs::set_permissions(&queue, fs::Permissions::from_mode(0o700))?;
        chown(&queue, Some(owner), None)?;
    }
    Ok(())
}

/// The number of a user.
fn user_id(name: &str) -> std::io::Result<u32> {
    let users = fs::read_to_string("/etc/passwd")?;
    let mut users = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let id = users.find(|fields| fields.first() == Some(&name)).and_then(|fields| fields.get(2)?.parse().ok());
    id.ok_or_else(|| std::io::Error::other(format!("there is no user {name}")))
}
