use std::{cell::RefCell, convert::Infallible, time::Duration};

use email_queue::{
    call::{Command, Value},
    query::SECRET_BYTES,
};
use http::{HeaderMap, Method, Request, header};
use serde_json::json;

use super::*;
use crate::{
    backend::Backend,
    body::{Body, BodyError},
    client::Client,
    router::respond,
    settings::Settings,
};

const HOST: &str = "http://mail.example.com:3000";

/// A Redis that has one email, and stores the first secret that it gets.
struct OneEmail {
    id: EmailId,
    json: Vec<u8>,
    secret: RefCell<Option<Vec<u8>>>,
}

impl OneEmail {
    fn with_attachments(attachments: serde_json::Value) -> Self {
        let email = json!({"from": "a@b.c", "to": "a@b.c", "subject": "s", "text": "t", "attachments": attachments});
        Self { id: EmailId::new(), json: email.to_string().into(), secret: RefCell::default() }
    }

    /// Asks as a client with a key.
    fn get(&self, path: &str) -> (u16, serde_json::Value) {
        let response = self.send(path, &[("authorization", "Bearer key")]);
        (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap())
    }

    /// Sends a request without a key.
    fn get_without_key(&self, url: &str) -> Response {
        self.send(url.strip_prefix(HOST).unwrap(), &[])
    }

    fn send(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request =
            Request::builder().method(Method::GET).uri(path).header(header::HOST, "mail.example.com:3000");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let variable = |name: &str| (name == "api_keys").then(|| "key".to_owned());
        pollster::block_on(respond(
            request.body(NoBody).unwrap(),
            &Client::default(),
            async || Settings::from_variables(variable),
            self,
        ))
    }

    fn attachments(&self, query: &str) -> (u16, serde_json::Value) {
        self.get(&format!("/emails/{}/attachments{query}", self.id))
    }

    fn download_url(&self) -> String {
        self.attachments("").1["data"][0]["download_url"].as_str().unwrap().to_owned()
    }
}

impl Backend for OneEmail {}

impl Redis for OneEmail {
    type Error = Infallible;

    async fn execute(&self, command: Command<'_>) -> Result<Vec<Value>, Infallible> {
        // Behind the name of the queue come the arguments of the script, which say which of the two it is.
        Ok(match command.arguments[3..] {
            [secret] if secret.len() == SECRET_BYTES => {
                vec![Value::Bytes(self.secret.borrow_mut().get_or_insert(secret.to_vec()).clone())]
            }
            [id, _] if *id == *self.id.to_string().as_bytes() => {
                let header = b"queued    5000000000001 00000 0000 00 normal 0000000000001\n";
                let record = [header.as_slice(), &self.json].concat();
                [record, Vec::new(), Vec::new(), Vec::new()].map(Value::Bytes).into()
            }
            _ => Vec::new(),
        })
    }

    fn is_unknown_script(error: &Infallible) -> bool {
        match *error {}
    }
}

struct NoBody;

impl Body for NoBody {
    type Chunk = Vec<u8>;

    async fn chunk(&mut self, _timeout: Duration) -> Result<Option<Vec<u8>>, BodyError> {
        Ok(None)
    }
}

fn three() -> OneEmail {
    OneEmail::with_attachments(json!([
        {"filename": "é.txt", "content": "AAEC"},
        {"filename": "logo.png", "content": "AA==", "content_id": "logo"},
        {"content": ""},
    ]))
}

fn ids(list: &serde_json::Value) -> Vec<String> {
    let data = list["data"].as_array().unwrap().iter();
    data.map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_attachment_is_described_in_its_place() {
    let redis = three();
    let (status, list) = redis.attachments("");
    assert_eq!((status, &list["object"], &list["has_more"]), (200, &json!("list"), &json!(false)));
    for (place, (filename, size, content_type, content_disposition, content_id)) in [
        (json!("é.txt"), 3, "text/plain", "attachment", json!(null)),
        (json!("logo.png"), 1, "image/png", "inline", json!("logo")),
        (json!(null), 0, "application/octet-stream", "attachment", json!(null)),
    ]
    .into_iter()
    .enumerate()
    {
        let id = AttachmentId::new(redis.id, place).to_string();
        let item = &list["data"][place];
        let mut expected = json!({
            "id": id, "filename": filename, "size": size, "content_type": content_type,
            "content_disposition": content_disposition, "content_id": content_id,
            "download_url": item["download_url"], "expires_at": item["expires_at"],
        });
        assert_eq!(*item, expected);

        let (status, mut alone) = redis.get(&format!("/emails/{}/attachments/{id}", redis.id));
        expected["object"] = json!("attachment");
        // Made at another moment.
        for field in ["download_url", "expires_at"] {
            expected[field] = alone[field].take();
            alone[field] = expected[field].clone();
        }
        assert_eq!((status, alone), (200, expected));
    }
}

#[test]
fn pages_follow_each_other_in_both_directions() {
    let redis = three();
    let (_, all) = redis.attachments("");
    let [first, second, third] = ids(&all).try_into().unwrap();
    for (query, expected, has_more) in [
        ("?limit=3".to_owned(), vec![&first, &second, &third], false),
        ("?limit=2".to_owned(), vec![&first, &second], true),
        (format!("?limit=1&after={first}"), vec![&second], true),
        (format!("?limit=1&after={second}"), vec![&third], false),
        (format!("?after={third}"), vec![], false),
        (format!("?limit=1&before={third}"), vec![&second], true),
        (format!("?before={third}"), vec![&first, &second], false),
        (format!("?before={first}"), vec![], false),
    ] {
        let (status, list) = redis.attachments(&query);
        assert_eq!(
            (status, ids(&list).iter().collect(), &list["has_more"]),
            (200, expected, &json!(has_more)),
            "{query}"
        );
    }
    let (status, list) = OneEmail::with_attachments(json!([])).attachments("");
    assert_eq!((status, &list["data"]), (200, &json!([])));
}

#[test]
fn a_page_that_cannot_be_is_refused() {
    let redis = three();
    let [first, second, _] = ids(&redis.attachments("").1).try_into().unwrap();
    let unknown = AttachmentId::new(EmailId::new(), 0);
    for query in [
        "?limit=0".to_owned(),
        "?limit=101".to_owned(),
        "?after=x".to_owned(),
        format!("?before={unknown}"),
        format!("?after={unknown}"),
        format!("?after={first}&before={second}"),
    ] {
        let (status, error) = redis.attachments(&query);
        assert_eq!((status, &error["name"]), (422, &json!("validation_error")), "{query}");
    }
}

#[test]
fn what_is_unknown_or_of_another_email_is_not_found() {
    let redis = three();
    let other = EmailId::new();
    for path in [
        format!("{other}/attachments"),
        format!("{other}/attachments/{}", AttachmentId::new(other, 0)),
        format!("{}/attachments/{}", redis.id, AttachmentId::new(redis.id, 3)),
        format!("{}/attachments/{}", redis.id, AttachmentId::new(other, 0)),
        format!("{}/attachments/{}/upload", redis.id, AttachmentId::new(redis.id, 0)),
    ] {
        let (status, error) = redis.get(&format!("/emails/{path}"));
        assert_eq!((status, &error["name"]), (404, &json!("not_found")), "{path}");
    }
    for path in ["x/attachments".to_owned(), format!("{}/attachments/x", redis.id)] {
        let (status, error) = redis.get(&format!("/emails/{path}"));
        assert_eq!((status, &error["name"]), (422, &json!("invalid_parameter")), "{path}");
    }
}

#[test]
fn a_link_gives_the_bytes_without_a_key_and_nothing_else_does() {
    let redis = three();
    let url = redis.download_url();
    let response = redis.get_without_key(&url);
    assert_eq!((response.status().as_u16(), response.body().as_slice()), (200, &[0, 1, 2][..]));
    for (name, expected) in [
        ("content-type", "text/plain"),
        ("content-disposition", "attachment; filename=\"_.txt\"; filename*=UTF-8''%C3%A9.txt"),
        ("content-length", "3"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox"),
        ("cache-control", "private"),
    ] {
        assert_eq!(response.headers()[name], expected, "{name}");
    }
    let (item, _) = url.split_once("/download").unwrap();
    let (list, _) = item.rsplit_once('/').unwrap();
    for url in [item, list] {
        assert_eq!(redis.get_without_key(url).status(), 401, "{url}");
    }
}

#[test]
fn a_link_that_was_changed_in_any_way_is_refused() {
    let redis = three();
    let url = redis.download_url();
    let (path, query) = url.split_once('?').unwrap();
    let (expires, signature) = query.split_once('&').unwrap();
    let [first, second, _] = ids(&redis.attachments("").1).try_into().unwrap();
    let later = format!("expires={}", Timestamp::now().as_second() + 9999);
    let other_digit = if url.ends_with('0') { "1" } else { "0" };
    let mut forgeries = vec![
        format!("{path}?{expires}&{}{other_digit}", &signature[..signature.len() - 1]),
        format!("{}?{query}", path.replace(&first, &second)),
        format!("{}?{query}", path.replace(&redis.id.to_string(), &EmailId::new().to_string())),
        format!("{path}?{later}&{signature}"),
        format!("{HOST}/emails/x/attachments/{first}/download?{query}"),
        format!("{HOST}/emails/{}/attachments/x/download?{query}", redis.id),
        path.to_owned(),
    ];
    for query in [
        expires,
        signature,
        "expires=&signature=",
        "expires=9223372036854775807&signature=0",
        "expires=99999999999999999999&signature=0",
        "expires=%ff&signature=%00",
        &format!("{expires}&signature=%c3%a9"),
        &format!("{expires}&{}", signature.to_uppercase()),
        &format!("{expires}&{signature}0"),
    ] {
        forgeries.push(format!("{path}?{query}"));
    }
    for forgery in forgeries {
        let response = redis.get_without_key(&forgery);
        let error: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!((response.status().as_u16(), &error["name"]), (403, &json!("invalid_permission")), "{forgery}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    }
    // Another queue has another secret.
    redis.secret.replace(Some(vec![7; 32]));
    assert_eq!(redis.get_without_key(&url).status(), 403);
}

#[test]
fn a_link_is_good_for_an_hour() {
    let redis = three();
    let before = Timestamp::now().as_second();
    let (_, list) = redis.attachments("?limit=1");
    let expires_at: Timestamp = list["data"][0]["expires_at"].as_str().unwrap().parse().unwrap();
    assert!((before..=Timestamp::now().as_second()).contains(&(expires_at.as_second() - 3600)), "{expires_at}");

    let link = |expires| {
        let link = Link { email: redis.id, attachment: AttachmentId::new(redis.id, 0), expires };
        let secret = pollster::block_on(Secret::of(&email_queue::Queue::default(), &redis)).unwrap();
        redis.get_without_key(&format!("{HOST}{}", link.path(&secret)))
    };
    assert_eq!(link(expires_at).status(), 200);
    let late = link(Timestamp::from_second(before - 1).unwrap());
    assert_eq!(late.status(), 403);
    assert!(String::from_utf8_lossy(late.body()).contains("expired"));
}

#[test]
fn a_link_leads_where_the_client_has_asked() {
    let redis = three();
    assert!(redis.download_url().starts_with(&format!("{HOST}/emails/{}/attachments/", redis.id)));
    let client = Client::default().with_url("https://mail.example.com/emails");
    assert_eq!(origin::of(&HeaderMap::new(), &client).unwrap(), "https://mail.example.com");
}

#[test]
fn an_email_that_cannot_be_read_has_no_attachments() {
    let redis = OneEmail { json: b"what another program has pushed".into(), ..three() };
    let (status, list) = redis.attachments("");
    assert_eq!((status, &list["data"]), (200, &json!([])));
}
