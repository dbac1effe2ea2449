//! The official SDK of Resend for Rust, as it is published, through the real component and the real worker.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use e2e::{Api, Mail, MailServer, Worker};
use resend_rs::{
    ConfigBuilder, Error, Resend,
    list_opts::ListOptions,
    types::{CreateAttachment, CreateEmailBaseOptions, EmailEvent, UpdateEmailOptions},
};
use testkit::{DEADLINE, RedisServer, eventually};

fn email(subject: &str) -> CreateEmailBaseOptions {
    CreateEmailBaseOptions::new("Acme <hello@acme.example>", ["ada@example.com"], subject).with_text("Hello")
}

#[tokio::test]
async fn the_sdk_for_rust_runs_with_another_base_url_and_key() {
    let redis = RedisServer::builder().without_persistence().start();
    let server = MailServer::testkit().await;
    let api = Api::start_with(&redis.url(), &[("api_keys", "re_full"), ("default_from", "")]).await;
    let _worker = Worker::ready(&redis.url(), &server.url(), &[]).await;
    let url = format!("http://{}", api.address()).parse().unwrap();
    let resend = Resend::with_config(ConfigBuilder::new("re_full").base_url(url).build());

    let file = CreateAttachment::from_content(vec![0, 1, 255]).with_filename("a.bin");
    let sent =
        resend.emails.send(email("rust").with_header("X-Entity-Ref-ID", "42").with_attachment(file)).await.unwrap();
    let is_sent = async || resend.emails.get(&sent.id).await.unwrap().last_event == EmailEvent::Sent;
    eventually(DEADLINE, "the email to be sent", is_sent).await;
    let batch = resend.batch.send(vec![email("rust batch 1"), email("rust batch 2")]).await.unwrap();
    assert_eq!(batch.len(), 2);

    let later = resend.emails.send(email("not sent").with_scheduled_at("in 1 hour")).await.unwrap();
    let changes = UpdateEmailOptions::new().with_scheduled_at("in 2 hours");
    resend.emails.update(&later.id, changes).await.unwrap();
    resend.emails.cancel(&later.id).await.unwrap();
    let listed = resend.emails.list(ListOptions::default()).await.unwrap();
    assert_eq!((listed.data.len(), &listed.data[0].id), (4, &later.id));

    let nobody = CreateEmailBaseOptions::new("hello@acme.example", ["nobody"], "not sent").with_text("x");
    let Err(Error::Resend(refused)) = resend.emails.send(nobody).await else { panic!("not refused") };
    assert_eq!((refused.status_code, refused.name.as_str()), (422, "validation_error"));

    let mut mails: Vec<_> = server.wait_for(3).await.into_iter().map(Mail::new).collect();
    mails.sort_by_key(|mail| mail.subject().unwrap_or_default().to_owned());
    assert_eq!(
        mails.iter().map(|mail| mail.subject().unwrap()).collect::<Vec<_>>(),
        ["rust", "rust batch 1", "rust batch 2"]
    );
    assert_eq!(mails[0].header("X-Entity-Ref-ID"), ["42"]);
    assert_eq!(mails[0].files()[0].content, [0, 1, 255]);
}
