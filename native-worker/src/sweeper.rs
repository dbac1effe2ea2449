//! Moves on what nobody holds: emails whose time has come, and what dead workers have left behind.

use std::time::Duration;

use email_queue::{
    call::CallError,
    transition::{Swept, Watch, sweep, watch},
};
use redis::RedisError;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{connection::RECONNECT, shared::Shared};

/// How often is asked whether there is something to sweep, unless there is more to do at once. All workers ask; Redis
/// gives the turn to one.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs until `stop`.
pub(crate) async fn sweep_on(shared: &Shared, stop: &CancellationToken) {
    let mut failures = 0;
    loop {
        let pause = match sweep_if_due(shared).await {
            Ok(swept) => {
                failures = 0;
                tell(&swept);
                if swept.more { Duration::ZERO } else { PAUSE }
            }
            Err(error) => {
                shared.client.redis.report("sweep", &error, failures);
                failures += 1;
                PAUSE + RECONNECT.delay(failures)
            }
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Asking costs an idle Redis one command, a sweep about fifteen.
async fn sweep_if_due(shared: &Shared) -> Result<Swept, CallError<RedisError>> {
    let Watch { sweep_is_due, holds_off } = watch(&shared.client.queue).run(&shared.client.redis).await?;
    if holds_off {
        shared.hold_off.announced();
    }
    if sweep_is_due {
        sweep(&shared.client.queue, shared.config.sweep).run(&shared.client.redis).await
    } else {
        Ok(Swept::default())
    }
}

fn tell(swept: &Swept) {
    if swept.recovered + swept.relisted > 0 {
        let Swept { recovered, relisted, .. } = swept;
        tracing::warn!(recovered, relisted, "took back emails from workers that died or lost Redis");
    }
    if swept.buried > 0 {
        tracing::error!(
            buried = swept.buried,
            "gave up emails with which too many workers died; they are dead letters"
        );
    }
    if swept.turn {
        tracing::debug!(?swept, "swept");
    }
}
