//! Liveness and readiness.

use email_queue::{Shard, Shards, query::ready};
use http::StatusCode;
use serde_json::json;

use crate::{
    backend::{Backend, TimeShare, random_shard},
    error::ApiError,
    response::{Response, json},
    settings::Settings,
};

/// How many shards `/readyz` asks at the most, with one command each.
const ASKED: usize = 16;

/// `GET /healthz`: the API runs. It does not call Redis.
pub(crate) fn healthz() -> Response {
    json(StatusCode::OK, &json!({"status": "ok"}))
}

/// `GET /readyz`: the API can accept emails. Redis answers, has room, takes writes for this queue, and has the required replicas.
///
/// Of a queue with several shards one that does is enough, as posts go there, and the answer names those that do not. With a
/// `rate_limit` shard 0 must be one that does, because it counts the requests. Of many shards some are asked.
pub(crate) async fn readyz<R: Backend>(redis: &R, settings: &Settings) -> Result<Response, ApiError> {
    let shards = &settings.shards;
    if shards.count() == 1 {
        ready(shards.first()).replicated(settings.require_replicas).run(redis).await?;
        return Ok(json(StatusCode::OK, &json!({"status": "ready"})));
    }
    let (mut able, mut unable) = (Vec::new(), Vec::new());
    let asked: Vec<_> = some(shards).collect();
    for (shard, left) in asked.iter().zip((0..asked.len()).rev()) {
        redis.take(if left > 0 { TimeShare::Half } else { TimeShare::All });
        match ready(&shards.queue(*shard)).replicated(settings.require_replicas).run(redis).await {
            Ok(()) => able.push(shard.number()),
            Err(error) => unable.push((*shard, ApiError::from(error))),
        }
    }
    let counts_requests = |(shard, _): &(Shard, ApiError)| *shard == Shard::FIRST && settings.rate_limit.is_some();
    if able.is_empty() || unable.first().is_some_and(counts_requests) {
        let (_, error) = unable.swap_remove(0);
        return Err(error);
    }
    let mut status = json!({"status": "ready", "shards": {"ready": able}});
    if !unable.is_empty() {
        let reasons = unable.iter().map(|(shard, error)| json!({"shard": shard.number(), "message": error.message()}));
        status["shards"]["not_ready"] = reasons.collect();
    }
    Ok(json(StatusCode::OK, &status))
}

/// Shard 0, and others: all, or as many as are asked, from a random one on.
fn some(shards: &Shards) -> impl Iterator<Item = Shard> {
    let from = if usize::from(shards.count()) > ASKED { random_shard(shards) } else { Shard::FIRST };
    let in_turn = shards.all().skip_while(move |shard| *shard != from).chain(shards.all());
    let others = in_turn.filter(|shard| *shard != Shard::FIRST);
    [Shard::FIRST].into_iter().chain(others).take(ASKED.min(shards.count().into()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_bounded_number_of_shards_is_asked_and_shard_0_among_them() {
        for (count, asked) in [(2, 2), (16, 16), (17, 16), (4096, 16)] {
            let shards = Shards::new("{emails}".parse().unwrap(), count).unwrap();
            for _ in 0..20 {
                let some: Vec<_> = some(&shards).collect();
                assert_eq!((some[0], some.len()), (Shard::FIRST, asked), "{count}");
                assert_eq!(some.iter().collect::<HashSet<_>>().len(), asked, "{count}");
            }
        }
    }
}
