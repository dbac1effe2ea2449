//! The errors for requests whose Redis call has failed. They say whether the change was made, if that is known.

use email_queue::{Redirect, Refusal, call::CallError};

use crate::{
    backend::{Effect, Failure},
    error::ApiError,
};

/// A change that a client asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    Accept,
    Cancel,
    Reschedule,
    Retry,
    Discard,
    Pause,
    Move,
    Bulk,
}

impl Change {
    /// The error for a change whose call has failed. It says that nothing was changed, or that this is not known.
    pub(crate) fn failed<E: Failure>(self, error: CallError<E>) -> ApiError {
        if effect(&error) != Effect::Unknown {
            return error.into();
        }
        log(&error);
        if let CallError::NotReplicated(_) = error {
            return ApiError::unavailable(
                "The email is in the queue, but too few replicas have it, so it is not known whether it survives a fail-over. A \
                 request that has an `Idempotency-Key` can be repeated with it, and is accepted once; any other one may be \
                 sent twice.",
            );
        }
        ApiError::unavailable(match self {
            Self::Accept => {
                "The queue did not answer, so it is not known whether this was accepted. A request that has an \
                 `Idempotency-Key` can be repeated with it, and is accepted once; any other one may be sent twice."
            }
            Self::Cancel => {
                "The queue did not answer, so it is not known whether the email was canceled. Ask again: it does no harm, \
                 and takes no `Idempotency-Key`."
            }
            Self::Retry => {
                "The queue did not answer, so it is not known whether the email is queued again. Look at it before you ask \
                 again."
            }
            Self::Discard => {
                "The queue did not answer, so it is not known whether the email was discarded. Ask again: it does no harm, \
                 and takes no `Idempotency-Key`."
            }
            Self::Pause => {
                "The queue did not answer, so it is not known whether this was done, in all of its shards. Ask again: it does no \
                 harm."
            }
            Self::Move => {
                "The queue did not answer, so it is not known whether the email has another lane. Ask again: it does no harm."
            }
            Self::Bulk => {
                "The queue did not answer, so it is not known whether some of the emails were changed. Ask again: it goes on \
                 with the others."
            }
            Self::Reschedule => {
                "The queue did not answer, so it is not known whether the email has the new time. Ask again: it does no \
                 harm, and takes no `Idempotency-Key`."
            }
        })
    }
}

/// The error for a call that has changed nothing, or that would only have read.
impl<E: Failure> From<CallError<E>> for ApiError {
    fn from(error: CallError<E>) -> Self {
        let refusal = log(&error);
        let is_moving = Redirect::of(&error.to_string()) == Some(Redirect::Later);
        if let CallError::NotReplicated(_) = error {
            return Self::unavailable(
                "Fewer replicas are connected to the queue's Redis than `require_replicas` asks for.",
            );
        }
        let trouble = match (effect(&error), refusal) {
            (Effect::NotSent, _) => "The queue cannot be reached for now.",
            (Effect::Unknown, _) => "The queue did not answer.",
            (Effect::Refused, None) if is_moving => {
                "No server of the Redis Cluster has this part of the queue for now, or it is being moved."
            }
            (Effect::Refused, None) => "The queue's Redis refuses this for now.",
            (Effect::Refused, Some(Refusal::Full)) => "The queue's Redis is full.",
            (Effect::Refused, Some(Refusal::ReadOnly)) => "The queue's Redis is a replica, which takes no writes.",
            (Effect::Refused, Some(Refusal::OtherNode)) => {
                "The nodes of the Redis Cluster do not agree on which of them has this part of the queue."
            }
            (Effect::Refused, Some(Refusal::WrongType)) => {
                "A key of the queue, whose keys begin with the name in the setting `queue`, is in use for something else. An operator \
                 finds it by `emailq doctor`, or by `TYPE` of those keys, and moves it away, or gives the queue another name."
            }
            (Effect::Refused, Some(Refusal::OtherVersion)) => "The queue is of another version than this API.",
        };
        Self::unavailable(format!("{trouble} Nothing was accepted or changed. Try again later."))
    }
}

fn effect<E: Failure>(error: &CallError<E>) -> Effect {
    match error {
        CallError::Redis(error) => error.effect(),
        // Redis has answered, but the answer does not say what was done.
        CallError::Answer(_) | CallError::NotReplicated(_) => Effect::Unknown,
    }
}

/// Logs the error for the operator, and returns the reason for which Redis has refused the call, if it has.
pub(crate) fn log<E: Failure>(error: &CallError<E>) -> Option<Refusal> {
    let text = error.to_string();
    let refusal = Refusal::of(&text);
    match refusal {
        Some(refusal) => log::warn!("Redis: {refusal}: {text}"),
        None => log::warn!("Redis: {text}"),
    }
    refusal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(error: ApiError) -> String {
        let answer = error.into_response();
        assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].as_bytes()), (503, b"2".as_slice()));
        String::from_utf8(answer.into_body()).unwrap()
    }

    #[test]
    fn what_redis_refuses_or_does_not_get_is_not_done() {
        for change in [Change::Accept, Change::Cancel, Change::Reschedule] {
            for (failure, expected) in [("OOM", "refuses"), ("unreachable", "cannot be reached")] {
                let message = message(change.failed(CallError::Redis(failure)));
                assert!(message.contains(expected) && message.contains("Nothing was accepted or changed"), "{message}");
            }
        }
    }

    #[test]
    fn what_redis_does_not_answer_may_be_done() {
        for change in [Change::Accept, Change::Cancel, Change::Reschedule] {
            for failure in ["broken pipe", "OOM after a loss", "unreachable after a loss"].map(CallError::Redis) {
                let message = message(change.failed(failure));
                assert!(message.contains("not known") && message.contains("Idempotency-Key"), "{message}");
                assert!(!message.contains("Nothing"), "{message}");
            }
            assert!(message(change.failed(CallError::<&str>::Answer("enqueue"))).contains("not known"));
        }
    }
}
