//! An hour of a queue's past, which no test can wait for: as the worker would have written it.

use jiff::Timestamp;
use testkit::RedisServer;

const MINUTE_MS: i64 = 60_000;
/// For how many minutes there are latencies.
const KEPT: i64 = 61;
/// Between two samples.
const APART_MS: i64 = 10_000;

/// Writes samples of the last hour and how long emails took, in the form of `maintenance/sample.lua`.
pub(crate) fn write(redis: &RedisServer) {
    let mut connection = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
    let now = Timestamp::now().as_millisecond();
    // Accepted, sent, failed, delayed: the totals now, and before each ten seconds that many fewer.
    let mut totals = [1_203_345_i64, 1_200_745, 412, 5_033];
    let mut pipeline = redis::pipe();
    let names = ["accepted", "sent", "failed", "delayed"];
    for (name, total) in names.iter().zip(totals) {
        pipeline.hset("emails:totals", *name, total).ignore();
    }
    for step in 0..360_i64 {
        let time = now - step * APART_MS;
        let [accepted, sent, failed, delayed] = totals;
        pipeline.rpush("emails:series", format!("{time} {accepted} {sent} {failed} {delayed} 0 0 0 0 0 0")).ignore();
        let before = happened(360 - step);
        totals.iter_mut().zip(before).for_each(|(total, fewer)| *total -= fewer);
    }
    for minute in 0..60_i64 {
        let minutes_since_1970 = now / MINUTE_MS - minute;
        pipeline
            .hset(
                "emails:latencies",
                minutes_since_1970 % KEPT,
                format!("{minutes_since_1970} {}", latencies(60 - minute)),
            )
            .ignore();
    }
    pipeline.exec(&mut connection).unwrap();
}

/// Writes how long the emails took that were sent in the minute so many minutes ago, and returns when that began.
pub(crate) fn write_delivered(redis: &RedisServer, ago: i64) -> String {
    let minute = Timestamp::now().as_millisecond() / MINUTE_MS - ago;
    redis::cmd("HSET")
        .arg("emails:latencies")
        .arg(minute % KEPT)
        .arg(format!("{minute} {}", latencies(0)))
        .exec(&mut redis.connection())
        .unwrap();
    Timestamp::from_millisecond(minute * MINUTE_MS).unwrap().to_string()
}

/// What happened in the ten seconds of this number, of 360. For some minutes the relay was slow, and let emails pile up.
fn happened(step: i64) -> [i64; 4] {
    let wave = (step as f64 / 41.0).sin() * 60.0 + (step as f64 / 7.3).sin() * 14.0;
    let accepted = 150 + wave as i64;
    match step {
        200..230 => [accepted, accepted * 2 / 5, 6, 38],
        230..260 => [accepted, accepted + accepted * 3 / 5, 1, 12],
        _ => [accepted, accepted, i64::from(step % 5 == 0), i64::from(step % 3 == 0)],
    }
}

/// A histogram, as text: `bucket:count`, each bucket a fourth root of two longer than the one before.
fn latencies(minute: i64) -> String {
    let slower = if (33..43).contains(&minute) { 14 } else { minute % 3 };
    format!("{}:500 {}:300 {}:90 {}:10", 22 + slower, 26 + slower, 31 + slower, 38 + slower)
}
