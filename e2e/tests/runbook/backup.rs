//! Backup, restore and a new password.

use std::{collections::HashSet, process::Command};

use testkit::{RedisServer, SmtpServer};

use crate::machine::Machine;

#[tokio::test]
async fn a_backup_that_is_restored_into_a_new_redis_delivers_each_email_once() {
    const EMAILS: usize = 30;
    let smtp = SmtpServer::start().await;
    let mut machine = Machine::start(RedisServer::start(), &smtp.url(), "").await;
    let mut ids = HashSet::new();
    for nth in 0..EMAILS {
        ids.insert(machine.accept(&format!("number {nth}")).await);
    }
    let backup = machine.path("backup.rdb").display().to_string();
    machine.variable("BACKUP", backup);
    machine.run("backup").await;
    machine.accept("after the backup, and lost").await;

    // Another Redis, with an append-only file of its own, which is not of use.
    let new = RedisServer::start();
    redis::cmd("SET").arg("emails").arg("nothing").exec(&mut new.connection()).unwrap();
    let (_, directory): (String, String) =
        redis::cmd("CONFIG").arg("GET").arg("dir").query(&mut new.connection()).unwrap();
    machine.redis = new;
    machine.variable("REDIS_DIR", directory);
    let user = Command::new("id").arg("-un").output().unwrap().stdout;
    machine.variable("OWNER", String::from_utf8(user).unwrap().trim_end());
    machine.set_worker("EMAIL_QUEUE_REDIS_URL", &machine.redis.url());
    machine.run("restore").await;
    let received = smtp.wait_for(EMAILS).await;
    let delivered: HashSet<_> = received.into_iter().map(|received| e2e::Mail::new(received).id().to_owned()).collect();
    assert_eq!(delivered, ids);
    // It is on disk as every other write.
    machine.accept("one more").await;
    assert_eq!(smtp.wait_for(EMAILS + 1).await.len(), EMAILS + 1);
    machine.systemctl("restart redis-server").await;
    let stored: usize = redis::cmd("ZCARD").arg("emails:index").query(&mut machine.redis.connection()).unwrap();
    assert!(stored > 0);
}

#[tokio::test]
async fn the_password_of_redis_is_replaced_while_emails_are_delivered() {
    let smtp = SmtpServer::start().await;
    let mut machine = Machine::simple(&smtp.url()).await;
    let rules = ["on", ">old", "~*", "&*", "+@all"];
    redis::cmd("ACL").arg("SETUSER").arg("worker").arg(&rules).exec(&mut machine.redis.connection()).unwrap();
    let url = |password: &str| machine.redis.url().replace("redis://", &format!("redis://worker:{password}@"));
    let (old, new) = (url("old"), url("new"));
    machine.set_worker("EMAIL_QUEUE_REDIS_URL", &old);
    machine.systemctl("start email-queue-worker").await;
    machine.accept("before").await;
    smtp.wait_for(1).await;
    for (name, value) in
        [("REDIS_USER", "worker"), ("OLD_PASSWORD", "old"), ("NEW_PASSWORD", "new"), ("NEW_REDIS_URL", &new)]
    {
        machine.variable(name, value);
    }
    machine.run("redis-password").await;
    machine.accept("after").await;
    assert_eq!(smtp.wait_for(2).await.len(), 2);
    assert!(redis::Client::open(old).unwrap().get_connection().is_err());
}
