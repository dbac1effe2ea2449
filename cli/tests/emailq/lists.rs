use email_queue::{Class, EmailId, Lane};

use crate::{
    program::{emailq, emailq_with, failed},
    queue::TestQueue,
};

const HOSTILE: &str = "{\"from\":\"a@example.com\",\"to\":[\"b@example.com\"],\"subject\":\"\\u001b[2J\\u009b2Jsubject\\u202e\\u200b\\udb40\\udc41\",\
    \"text\":\"body \\u001b]0;title\\u0007\",\"headers\":{\"X-A\":\"\\u001b[31m\"}}";

#[test]
fn emails_are_listed_the_newest_first_as_a_table_and_as_json() {
    let q = TestQueue::start();
    let ids: Vec<_> = (0..3).map(|_| q.enqueue(Lane::Low).to_string()).collect();
    let table = emailq(&q, "list").assert(0);
    let rows: Vec<_> =
        table.out.lines().skip(1).map(|row| row.split_whitespace().take(3).collect::<Vec<_>>()).collect();
    let expected: Vec<_> = ids.iter().rev().map(|id| vec![id.as_str(), "queued", "low"]).collect();
    assert_eq!(rows, expected, "{}", table.out);
    assert!(table.out.contains("b@example.com") && table.out.contains("Hi"), "{}", table.out);

    let page = emailq(&q, "list --json -n 2").assert(0).json();
    assert_eq!((&page["data"][0]["id"], &page["data"][0]["priority"]), (&ids[2].as_str().into(), &"low".into()));
    assert_eq!(page["has_more"], true);
    let next = page["next"].as_str().unwrap();
    let rest = emailq(&q, &format!("list --json --after {next}")).assert(0).json();
    assert_eq!((rest["data"].as_array().unwrap().len(), &rest["data"][0]["id"]), (1, &ids[0].as_str().into()));
    assert_eq!((&rest["has_more"], &rest["next"]), (&false.into(), &serde_json::Value::Null));
}

#[test]
fn a_list_is_of_the_emails_that_are_meant() {
    let q = TestQueue::start();
    let recipient = failed(&q, Class::Recipient).to_string();
    let content = failed(&q, Class::Content).to_string();
    let queued = q.enqueue(Lane::High).to_string();
    for (filter, expected) in [
        ("--status failed", vec![&content, &recipient]),
        ("--status failed --class recipient", vec![&recipient]),
        ("--lane high", vec![&queued]),
        ("--to B@EXAMPLE --subject hi --since 1h", vec![&queued, &content, &recipient]),
        ("--since 3days --until 2999-01-01T00:00:00Z", vec![&queued, &content, &recipient]),
    ] {
        let listed = emailq(&q, &format!("list --json {filter}")).assert(0).json();
        let ids: Vec<_> =
            listed["data"].as_array().unwrap().iter().map(|email| email["id"].as_str().unwrap()).collect();
        assert_eq!(ids, expected, "{filter}");
    }
    emailq(&q, "list --since 3moons").assert(64);
    emailq(&q, "list -n 0").assert(64);
    for command in ["list", "export", "retry --status failed"] {
        let told = emailq(&q, &format!("{command} --class bounce")).assert(64).err;
        assert!(told.contains("recipient") && told.contains("timeout"), "{told}");
    }
    for filter in ["--to nobody", "--status sent", "--until 1h", "--since 2999-01-01T00:00:00Z", "--class timeout"] {
        assert!(emailq(&q, &format!("list {filter}")).assert(3).err.contains("No email matches"), "{filter}");
    }
}

#[test]
fn an_email_is_shown_with_what_is_known_of_it() {
    let q = TestQueue::start();
    let id = failed(&q, Class::Recipient);
    let shown = emailq(&q, &format!("show {id}")).assert(0).out;
    for part in ["failed", "recipient", "550 5.1.1 no such user", "a@example.com", "Hello"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let json = emailq(&q, &format!("show {id} --json")).assert(0).json();
    assert_eq!((&json["state"], &json["error_class"]), (&"failed".into(), &"recipient".into()));
    assert_eq!((&json["email"]["text"], &json["attempts"]), (&"Hello".into(), &1.into()));
    let missing = EmailId::new();
    assert!(emailq(&q, &format!("show {missing}")).assert(3).err.contains(&missing.to_string()));
}

#[test]
fn what_strangers_wrote_does_not_steer_the_terminal() {
    let q = TestQueue::start();
    q.push("emails", HOSTILE);
    q.push("emails", "no email \u{1b}[2J");
    q.claim(2, crate::queue::LONG);
    let listed = emailq(&q, "list --json").assert(0).json();
    let ids: Vec<_> = listed["data"].as_array().unwrap().iter().map(|email| email["id"].as_str().unwrap()).collect();
    let show = format!("show {}", ids.join(" "));
    for arguments in ["list", "list --color always", &show, &format!("{show} --json"), "list --json", "export"] {
        let run = emailq(&q, arguments).assert(0);
        assert!(run.out.contains("2J"), "{arguments}: {:?}", run.out);
        // Of its own there are only colours.
        let coloured = regex_colours(&run.out);
        let bad = coloured
            .chars()
            .find(|c| c.is_control() && *c != '\n' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{200b}' | '\u{e0041}'));
        assert_eq!(bad, None, "{arguments}: {:?}", run.out);
    }
    let table = emailq(&q, "list").out;
    assert!(table.contains(r"subject\u{202e}\u{200b}\u{e0041}"), "{table}");
    assert!(!table.contains('\u{1b}'), "no colours where no terminal is");
}

/// Without the sequences that set a colour.
fn regex_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(0);
        assert!(part[end..].starts_with('m'), "{part:?}");
        plain.push_str(&part[end + 1..]);
    }
    plain
}

#[test]
fn all_emails_are_exported_whole_and_can_be_sent_again() {
    let q = TestQueue::start();
    let ids: Vec<_> = q.enqueue_many(120).iter().rev().map(ToString::to_string).collect();
    let exported = emailq(&q, "export").assert(0);
    let lines = exported.json_lines();
    assert_eq!(lines.iter().map(|line| line["id"].as_str().unwrap()).collect::<Vec<_>>(), ids);
    let emails: String = lines.iter().take(1).map(|line| format!("{}\n", line["email"])).collect();
    emailq_with(&q.server.url(), &["send"], emails.as_bytes()).assert(0);
    assert_eq!(q.depth().waiting[1], 121);
    emailq(&q, "export --status sent").assert(3);
}
