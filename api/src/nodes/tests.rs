use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
    fmt,
};

use super::*;
use crate::runtime::testing::Polled;

/// Later than any test takes.
const FAR: Duration = Duration::from_secs(600);

/// A cluster in which a test says what becomes of each command.
#[derive(Default)]
struct Cluster {
    /// Which node serves a slot, by hash tag; the others say so.
    serves: RefCell<HashMap<&'static str, &'static str>>,
    /// Where the URL leads to.
    first: Cell<&'static str>,
    /// Nodes that no connection can be opened to, and whose connections are broken.
    down: RefCell<HashSet<&'static str>>,
    /// How many of the next commands meet a slot that is being moved.
    moving: Cell<usize>,
    /// Each command that was sent: to whom, and with how many arguments.
    sent: RefCell<Vec<(String, usize)>>,
    opened: RefCell<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Failed(String, Effect);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Failure for Failed {
    fn effect(&self) -> Effect {
        self.1
    }

    fn after_lost_answer(self) -> Self {
        Self(self.0, Effect::Unknown)
    }
}

impl RedisClient for &Cluster {
    type Connection = String;
    type Error = Failed;

    async fn open(&self, _url: &str, node: Option<&str>) -> Result<String, Failed> {
        let node = node.unwrap_or(self.first.get()).to_owned();
        self.opened.borrow_mut().push(node.clone());
        if self.is_down(&node) { Err(Failed("unreachable".to_owned(), Effect::NotSent)) } else { Ok(node) }
    }

    async fn execute(&self, node: &String, command: &Command<'_>) -> Result<Vec<Value>, Failed> {
        self.sent.borrow_mut().push((node.clone(), command.arguments.len()));
        if self.is_down(node) {
            return Err(Failed("broken pipe".to_owned(), Effect::Unknown));
        }
        let refused = |text: String| Err(Failed(text, Effect::Refused));
        if self.moving.get() > 0 {
            self.moving.set(self.moving.get() - 1);
            return refused("ASK 7 somewhere:1".to_owned());
        }
        let tag = std::str::from_utf8(command.hash_tag().unwrap()).unwrap();
        match self.serves.borrow()[tag] {
            serving if serving == node => Ok(vec![Value::Nil]),
            "full" => refused("OOM".to_owned()),
            "the other" => refused(format!("MOVED 7 {}", if node == "a:1" { "b:1" } else { "a:1" })),
            // As a node that has no name for itself.
            serving if node.starts_with(serving.split(':').next().unwrap()) => {
                refused(format!("MOVED 7 :{}", serving.split(':').nth(1).unwrap()))
            }
            serving => refused(format!("MOVED 7 {serving}")),
        }
    }

    fn fault(error: &Failed) -> Option<Fault> {
        (error.1 != Effect::Refused && Redirect::of(&error.0).is_none()).then_some(Fault::Broken)
    }

    fn redirect(error: &Failed) -> Option<Redirect> {
        Redirect::of(&error.0)
    }

    fn is_unknown_script(_: &Failed) -> bool {
        false
    }

    fn timed_out(_: &Command<'_>, _: bool) -> Failed {
        Failed("silent".to_owned(), Effect::Unknown)
    }
}

impl Cluster {
    fn of(first: &'static str, serves: &[(&'static str, &'static str)]) -> Self {
        let cluster = Self::default();
        cluster.first.set(first);
        cluster.serves.borrow_mut().extend(serves.iter().copied());
        cluster
    }

    fn is_down(&self, node: &str) -> bool {
        self.down.borrow().contains(node)
    }

    /// The nodes that got a command since this was asked last.
    fn asked(&self) -> Vec<String> {
        self.sent.take().into_iter().map(|(node, _)| node).collect()
    }
}

fn ask(nodes: &Nodes<Polled, &Cluster>, key: &'static str) -> Result<Vec<Value>, Failed> {
    ask_at(nodes, "url", key)
}

fn ask_at(nodes: &Nodes<Polled, &Cluster>, url: &str, key: &'static str) -> Result<Vec<Value>, Failed> {
    ask_until(nodes, url, key, Deadline::at(Instant::now() + FAR))
}

fn ask_until(
    nodes: &Nodes<Polled, &Cluster>,
    url: &str,
    key: &'static str,
    deadline: Deadline,
) -> Result<Vec<Value>, Failed> {
    let arguments = vec![key.as_bytes()];
    let command = Command { name: "GET", arguments, marked_when_resent: true, replication: None };
    let mut asked = std::pin::pin!(nodes.execute(url, &command, deadline));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(answer) = asked.as_mut().poll(&mut cx) {
            return answer;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_command_goes_to_the_node_that_serves_its_slot_and_the_next_one_at_once() {
    let cluster = Cluster::of("a:1", &[("q", "a:1"), ("q:1", "b:1"), ("q:2", "b:1")]);
    let nodes = Nodes::new(&cluster);
    ask(&nodes, "{q}").unwrap();
    assert_eq!(cluster.asked(), ["a:1"]);
    ask(&nodes, "{q:1}:x").unwrap();
    assert_eq!(cluster.asked(), ["a:1", "b:1"]);
    ask(&nodes, "{q:1}:y").unwrap();
    assert_eq!(cluster.asked(), ["b:1"]);
    // Another shard on the same node, over the same connection.
    ask(&nodes, "{q:2}").unwrap();
    assert_eq!(
        (cluster.asked(), cluster.opened.take()),
        (vec!["a:1".into(), "b:1".into()], vec!["a:1".into(), "b:1".into()])
    );
}

#[test]
fn a_slot_that_has_moved_is_found_where_it_is_now() {
    let cluster = Cluster::of("a:1", &[("q:1", "b:1")]);
    let nodes = Nodes::new(&cluster);
    ask(&nodes, "{q:1}").unwrap();
    cluster.serves.borrow_mut().insert("q:1", "c:1");
    cluster.asked();
    ask(&nodes, "{q:1}").unwrap();
    ask(&nodes, "{q:1}").unwrap();
    assert_eq!(cluster.asked(), ["b:1", "c:1", "c:1"]);
}

#[test]
fn an_address_without_a_host_is_at_the_host_that_has_answered() {
    let cluster = Cluster::of("a:1", &[("q:1", "b:1")]);
    let nodes = Nodes::new(&cluster);
    ask(&nodes, "{q:1}").unwrap();
    cluster.serves.borrow_mut().insert("q:1", "b:2");
    ask(&nodes, "{q:1}").unwrap();
    assert_eq!(cluster.asked().last().unwrap(), "b:2");
}

#[test]
fn nodes_that_name_each_other_are_not_followed_for_ever() {
    let cluster = Cluster::of("a:1", &[("q", "the other")]);
    let nodes = Nodes::new(&cluster);
    assert!(Redirect::of(&ask(&nodes, "{q}").unwrap_err().0).is_some());
    assert_eq!(cluster.asked(), ["a:1", "b:1", "a:1", "b:1", "a:1"]);
}

#[test]
fn what_a_node_refuses_is_not_asked_again() {
    let cluster = Cluster::of("a:1", &[("q", "full")]);
    assert_eq!(ask(&Nodes::new(&cluster), "{q}"), Err(Failed("OOM".to_owned(), Effect::Refused)));
    assert_eq!(cluster.asked(), ["a:1"]);
}

#[test]
fn a_slot_that_is_being_moved_is_tried_again_for_a_second() {
    let cluster = Cluster::of("a:1", &[("q", "a:1"), ("q:1", "b:1")]);
    let nodes = Nodes::new(&cluster);
    cluster.moving.set(3);
    ask(&nodes, "{q}").unwrap();
    assert_eq!(cluster.asked().len(), 4);
    cluster.moving.set(usize::MAX);
    let began = Instant::now();
    assert_eq!(ask(&nodes, "{q:1}").unwrap_err().1, Effect::Refused);
    // It ends; how long a busy machine takes for it is not said here.
    assert!(began.elapsed() < 20 * LATER);
    assert!((2..20).contains(&cluster.asked().len()), "it is asked again, and not without pause");
}

#[test]
fn where_something_else_can_be_done_a_slot_that_is_being_moved_is_not_tried_again() {
    let cluster = Cluster::of("a:1", &[("q:1", "b:1")]);
    let nodes = Nodes::new(&cluster);
    ask(&nodes, "{q:1}").unwrap();
    cluster.moving.set(1);
    let now = Instant::now();
    let deadline = Deadline { connected: now + FAR / 2, answered: now + FAR };
    assert_eq!(ask_until(&nodes, "url", "{q:1}", deadline).unwrap_err().1, Effect::Refused);
    // And the first node is asked again who serves it.
    cluster.asked();
    ask(&nodes, "{q:1}").unwrap();
    assert_eq!(cluster.asked(), ["a:1", "b:1"]);
}

#[test]
fn when_a_node_fails_another_one_is_asked_who_serves_its_slots_now() {
    let cluster = Cluster::of("a:1", &[("q", "a:1"), ("q:1", "b:1")]);
    let nodes = Nodes::new(&cluster);
    ask(&nodes, "{q}").unwrap();
    ask(&nodes, "{q:1}").unwrap();
    cluster.down.borrow_mut().insert("b:1");
    // No other has taken its place yet.
    assert_eq!(ask(&nodes, "{q:1}").unwrap_err().1, Effect::Unknown, "it was sent, and its answer lost");
    assert_eq!(ask(&nodes, "{q:1}").unwrap_err().1, Effect::NotSent);
    cluster.serves.borrow_mut().insert("q:1", "c:1");
    cluster.asked();
    ask(&nodes, "{q:1}").unwrap();
    assert_eq!(cluster.asked(), ["a:1", "c:1"]);

    // Also when it is the node that the URL leads to.
    cluster.down.borrow_mut().insert("a:1");
    cluster.serves.borrow_mut().insert("q", "c:1");
    ask(&nodes, "{q}").unwrap();
    assert_eq!(cluster.sent.borrow().last().unwrap(), &("c:1".to_owned(), 2), "it is marked as resent");
}

#[test]
fn a_node_that_cannot_be_reached_is_an_error_and_not_remembered() {
    let cluster = Cluster::of("a:1", &[("q:1", "b:1")]);
    cluster.down.borrow_mut().insert("b:1");
    let nodes = Nodes::new(&cluster);
    for _ in 0..2 {
        assert_eq!(ask(&nodes, "{q:1}").unwrap_err().1, Effect::NotSent);
    }
    assert_eq!(cluster.asked(), ["a:1", "a:1"]);
}

#[test]
fn nodes_of_another_url_are_others() {
    let cluster = Cluster::of("a:1", &[("q:1", "b:1")]);
    let nodes = Nodes::new(&cluster);
    ask(&nodes, "{q:1}").unwrap();
    cluster.asked();
    ask_at(&nodes, "other", "{q:1}").unwrap();
    assert_eq!(cluster.asked(), ["a:1", "b:1"]);
}
