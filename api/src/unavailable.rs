//! What a client is told where Redis has not done what it was asked: whether it was done or not, if that is known.

use email_queue::{Refusal, call::CallError};

use crate::{
    backend::{Failure, Reached},
    error::ApiError,
};

/// What a client asks for that changes something.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    Accept,
    Cancel,
    Reschedule,
}

impl Change {
    /// The change has failed. It was not made, unless the answer says that this is not known.
    pub(crate) fn failed<E: Failure>(self, error: CallError<E>) -> ApiError {
        if reached(&error) != Reached::Unknown {
            return error.into();
        }
        log(&error);
        ApiError::unavailable(match self {
            Self::Accept => {
                "The queue did not answer, so it is not known whether this was accepted. A request that has an \
                 `Idempotency-Key` can be repeated with it, and is accepted once; any other one may be sent twice."
            }
            Self::Cancel => {
                "The queue did not answer, so it is not known whether the email was canceled. Ask again: it does no harm, \
                 and takes no `Idempotency-Key`."
            }
            Self::Reschedule => {
                "The queue did not answer, so it is not known whether the email has the new time. Ask again: it does no \
                 harm, and takes no `Idempotency-Key`."
            }
        })
    }
}

/// Of a call after whose failure nothing has changed, whatever became of the call.
impl<E: Failure> From<CallError<E>> for ApiError {
    fn from(error: CallError<E>) -> Self {
        let refusal = log(&error);
        let trouble = match (reached(&error), refusal) {
            (Reached::Nobody, _) => "The queue cannot be reached for now.",
            (Reached::Unknown, _) => "The queue did not answer.",
            (Reached::Refusal, None) => "The queue's Redis refuses this for now.",
            (Reached::Refusal, Some(Refusal::Full)) => "The queue's Redis is full.",
            (Reached::Refusal, Some(Refusal::ReadOnly)) => "The queue's Redis is a replica, which takes no writes.",
            (Reached::Refusal, Some(Refusal::OtherNode)) => "This node of a Redis Cluster does not hold the queue.",
            (Reached::Refusal, Some(Refusal::WrongType)) => "A key of the queue is in use for something else.",
            (Reached::Refusal, Some(Refusal::OtherVersion)) => "The queue is of another version than this API.",
        };
        Self::unavailable(format!("{trouble} Nothing was accepted or changed. Try again later."))
    }
}

fn reached<E: Failure>(error: &CallError<E>) -> Reached {
    match error {
        CallError::Redis(error) => error.reached(),
        // It is an answer, but of what is not known.
        CallError::Answer(_) => Reached::Unknown,
    }
}

/// Tells the operator, for whom it is, and says what Redis has against it.
fn log<E: Failure>(error: &CallError<E>) -> Option<Refusal> {
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
    fn what_redis_refuses_or_never_gets_is_not_done() {
        for change in [Change::Accept, Change::Cancel, Change::Reschedule] {
            for (failure, told) in [("OOM", "refuses"), ("unreachable", "cannot be reached")] {
                let message = message(change.failed(CallError::Redis(failure)));
                assert!(message.contains(told) && message.contains("Nothing was accepted or changed"), "{message}");
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
