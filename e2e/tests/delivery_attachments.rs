//! Files arrive byte for byte, under their names.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use base64::{Engine, prelude::BASE64_STANDARD};
use e2e::{MailFile, MailServer, System};
use serde_json::{Value, json};

fn email(attachments: Value) -> Value {
    json!({
        "from": "ada@x.example", "to": "bob@y.example", "subject": "s", "text": "see the files",
        "attachments": attachments,
    })
}

fn file(name: &str, content_type: &str, content: &[u8]) -> MailFile {
    let (name, content_type, content) = (Some(name.to_owned()), content_type.to_owned(), content.to_vec());
    MailFile { name, content_type, content_id: None, inline: false, content }
}

fn all_bytes() -> Vec<u8> {
    (0..=255).collect()
}

/// Bytes that no compression or coding could have made up, the same in each run.
fn noise(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

#[tokio::test]
async fn bytes_arrive_as_they_were_in_whichever_form_they_are_posted() {
    let bytes = all_bytes();
    let base64 = BASE64_STANDARD.encode(&bytes);
    let lines: Vec<_> = base64.as_bytes().chunks(76).map(|line| String::from_utf8(line.to_vec()).unwrap()).collect();
    let posted = email(json!([
        {"filename": "a.bin", "content": base64},
        {"filename": "b.bin", "content": lines.join("\r\n")},
        {"filename": "c.bin", "content": base64.trim_end_matches('=')},
        {"filename": "d.bin", "content": bytes},
        {"filename": "e.bin", "content": {"type": "Buffer", "data": bytes}},
    ]));
    for system in System::with_each_server().await {
        let mail = system.deliver_one(&posted).await;
        let expected =
            ["a", "b", "c", "d", "e"].map(|name| file(&format!("{name}.bin"), "application/octet-stream", &bytes));
        assert_eq!(mail.files(), expected);
        mail.assert_text("text/plain", "see the files");
    }
}

#[tokio::test]
async fn files_of_every_size_arrive() {
    let noise = noise(1_000_000);
    let text = b"first\nsecond\r\n.\r\n..\rlast without an end".as_slice();
    let binary = [&b""[..], b"x", b"\r\n", b"\0", text, &noise[..56], &noise[..57], &noise[..58], &noise];
    let files = binary.map(|content| ("f.bin", "application/octet-stream", content));
    let files = [files.as_slice(), &[("f.txt", "text/plain", text), ("f.html", "text/html", b"<p>\n")]].concat();
    let posted =
        files.iter().map(|(name, _, content)| json!({"filename": name, "content": BASE64_STANDARD.encode(content)}));
    let posted = email(posted.collect());
    for system in System::with_each_server().await {
        let arrived = system.deliver_one(&posted).await.files();
        assert_eq!(arrived.len(), files.len());
        for ((name, content_type, content), arrived) in files.iter().zip(arrived) {
            assert!(arrived == file(name, content_type, content), "{name} of {} bytes", content.len());
        }
    }
}

#[tokio::test]
async fn the_largest_file_that_the_api_takes_arrives() {
    let noise = noise(7_800_000);
    let system = System::start(MailServer::testkit().await, &[]).await;
    let posted = email(json!([{"filename": "big.bin", "content": BASE64_STANDARD.encode(&noise)}]));
    let mail = system.deliver_one(&posted).await;
    assert!(mail.files()[0].content == noise);
}

#[tokio::test]
async fn names_of_files_arrive_to_the_letter() {
    let long = format!("{}.pdf", "ein langer Name mit Ümläuten ".repeat(7));
    let names = [
        "a.pdf",
        "two words.pdf",
        "Rechnung für Jörg 10 €.pdf",
        "請求書.pdf",
        "😀.pdf",
        "semi;colon.pdf",
        "a'b''c.pdf",
        "percent%20sign%.pdf",
        "quote\"s.pdf",
        "back\\slash.pdf",
        "../../etc/passwd",
        "comma, (paren).pdf",
        "a=b.pdf",
        "no_extension",
        ".hidden",
        " spaces around.pdf ",
        long.as_str(),
    ];
    let posted = email(names.iter().map(|name| json!({"filename": name, "content": "YQ=="})).collect());
    for system in System::with_each_server().await {
        let mail = system.deliver_one(&posted).await;
        let arrived: Vec<_> = mail.files().into_iter().map(|file| file.name.unwrap_or_default()).collect();
        assert_eq!(arrived, names, "{}", String::from_utf8_lossy(&mail.received.data));
    }
}

#[tokio::test]
async fn a_file_has_the_type_that_was_given_or_that_its_name_tells() {
    let cases = [
        (json!({"filename": "a.pdf"}), "application/pdf"),
        (json!({"filename": "a.PNG"}), "image/png"),
        (json!({"filename": "a.unknown-extension"}), "application/octet-stream"),
        (json!({"filename": "a.pdf", "content_type": "text/csv; charset=utf-8"}), "text/csv"),
        (json!({"content_type": "application/vnd.example+json"}), "application/vnd.example+json"),
        (json!({}), "application/octet-stream"),
    ];
    let files = cases.iter().map(|(file, _)| {
        let mut file = file.clone();
        file["content"] = json!("YQ==");
        file
    });
    let posted = email(files.collect());
    for system in System::with_each_server().await {
        let files = system.deliver_one(&posted).await.files();
        for ((given, expected), arrived) in cases.iter().zip(&files) {
            assert_eq!(arrived.content_type, *expected, "{given}");
            assert_eq!(arrived.name.as_deref(), given["filename"].as_str());
        }
        assert_eq!(files.len(), cases.len());
    }
}

#[tokio::test]
async fn an_image_with_a_content_id_is_within_the_html_and_the_other_files_beside_it() {
    let image = noise(5000);
    let html = r#"<img src="cid:logo"><img src="cid:second@x">"#;
    let mut posted = email(json!([
        {"filename": "logo.png", "content": BASE64_STANDARD.encode(&image), "content_id": "logo"},
        {"filename": "second.gif", "content": "R0lG", "inline_content_id": "second@x"},
        {"filename": "a.txt", "content": "YQ=="},
    ]));
    posted["html"] = json!(html);
    for system in System::with_each_server().await {
        let mail = system.deliver_one(&posted).await;
        let structure = "multipart/mixed multipart/alternative text/plain multipart/related text/html image/png image/gif \
                         text/plain";
        assert_eq!(mail.structure(), structure);
        mail.assert_text("text/html", html);
        mail.assert_text("text/plain", "see the files");
        let inline = |file: MailFile, id: &str| MailFile { content_id: Some(id.to_owned()), inline: true, ..file };
        let expected = [
            inline(file("logo.png", "image/png", &image), "logo"),
            inline(file("second.gif", "image/gif", b"GIF"), "second@x"),
            file("a.txt", "text/plain", b"a"),
        ];
        assert_eq!(mail.files(), expected);
    }
}
