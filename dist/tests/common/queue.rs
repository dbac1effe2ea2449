//! A queue that a recipe has started: its API, and the mail server that prints what arrives.

use std::process::Command;

use harness::eventually;
use serde_json::Value;

use super::podman::Podman;
use super::{START, run};

/// The API key of the recipes' settings.
const KEY: &str = "replace_this_key";

/// A queue in containers.
pub(crate) struct Queue<'a> {
    pub(crate) podman: &'a Podman,
    /// Where the API is, such as `http://127.0.0.1:3000`.
    pub(crate) api: String,
    /// The container of the mail server.
    pub(crate) mail: String,
}

impl Queue<'_> {
    /// Posts an email with curl, as the recipes do, and returns its id. The API must accept it.
    pub(crate) fn post(&self, subject: &str) -> String {
        let email = format!(r#"{{"to": "you@example.com", "subject": "{subject}", "text": "It works."}}"#);
        let answer = self.curl(&["-H", "Content-Type: application/json", "-d", &email, "/emails"]);
        answer["id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Posts emails whose subjects are `what` and a number, and returns their ids and subjects.
    pub(crate) fn post_many(&self, what: &str, emails: usize) -> Vec<(String, String)> {
        (0..emails).map(|nth| format!("{what} {nth}")).map(|subject| (self.post(&subject), subject)).collect()
    }

    /// Waits until these emails have arrived, and their records say so.
    pub(crate) fn wait_for(&self, emails: &[(String, String)]) {
        for (id, subject) in emails {
            eventually(START, &format!("the email {subject:?} to arrive"), || self.has_arrived(subject));
            eventually(START, &format!("the record of {subject:?} to say so"), || {
                let email = self.curl(&[&format!("/emails/{id}")]);
                email["last_event"] == "sent"
            });
        }
    }

    /// Waits until the API answers a path with a status.
    pub(crate) fn wait_for_status(&self, path: &str, status: u16) {
        eventually(START, &format!("{path} to answer {status}"), || self.status(path) == status);
    }

    /// The status of the answer; 0 without one.
    pub(crate) fn status(&self, path: &str) -> u16 {
        let url = format!("{}{path}", self.api);
        let output =
            Command::new("curl").args(["-s", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", &url]).output();
        String::from_utf8_lossy(&output.unwrap().stdout).parse().unwrap()
    }

    fn has_arrived(&self, subject: &str) -> bool {
        let logs = self.podman.command("podman").args(["logs", &self.mail]).output().unwrap();
        String::from_utf8_lossy(&logs.stdout).lines().any(|line| line.trim_end() == format!("Subject: {subject}"))
    }

    /// Asks the API, with the path as the last of curl's arguments.
    fn curl(&self, arguments: &[&str]) -> Value {
        let (path, arguments) = arguments.split_last().unwrap();
        let authorization = format!("Authorization: Bearer {KEY}");
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-m", "30", "-H", &authorization]).args(arguments).arg(format!("{}{path}", self.api));
        let answer = run(&mut curl);
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{answer}"))
    }
}
