use super::ClaimRef;
use crate::{Queue, call::Call, script::NAME_SENDER};

/// Puts an email with a sender in place of one that names none, so that its sender is the same at each attempt and wherever
/// it is shown. Says whether it was still in flight under this claim; if not, nothing was changed.
pub fn name_sender(queue: &Queue, claim: ClaimRef, json: Vec<u8>) -> Call<bool> {
    Call::script(&NAME_SENDER, queue, |answer| answer.flag()).claim(claim).argument(json)
}
