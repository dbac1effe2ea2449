use crate::{
    Queue,
    call::{Call, UnexpectedAnswer},
    script::SECRET,
};

/// How many bytes the secret of a queue has: as many as the hash of HMAC-SHA256, which is what
/// [RFC 2104 section 3](https://www.rfc-editor.org/rfc/rfc2104#section-3) advises.
pub const SECRET_BYTES: usize = 32;

/// The secret that signs the API's links, shared by all instances. `candidate` is random; it becomes the secret if the
/// queue has none.
///
/// Deleting the key invalidates all links.
pub fn secret(queue: &Queue, candidate: [u8; SECRET_BYTES]) -> Call<[u8; SECRET_BYTES]> {
    let call = Call::script(&SECRET, queue, |answer| answer.bytes()?.try_into().map_err(|_| UnexpectedAnswer));
    call.argument(candidate)
}
