use super::ClaimRef;
use crate::{Queue, call::Call, script::SET_SENDER};

/// Stores a sender in a claimed email that has none, so that it is the same at each attempt and in every answer.
/// Returns whether the email was in flight under this claim; if not, nothing has changed.
pub fn set_sender(queue: &Queue, claim: ClaimRef, json: Vec<u8>) -> Call<bool> {
    Call::script(&SET_SENDER, queue, |answer| answer.flag()).claim(claim).argument(json)
}
