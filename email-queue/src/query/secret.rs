use crate::{
    Queue,
    call::{Call, UnexpectedAnswer},
    script::SECRET,
};

/// How many bytes the secret of a queue has: as many as the hash of HMAC-SHA256, which is what
/// [RFC 2104 section 3](https://www.rfc-editor.org/rfc/rfc2104#section-3) advises.
pub const SECRET_BYTES: usize = 32;

/// The secret by which the API knows the links that it has signed, the same for all its instances. `candidate` is random
/// bytes; it becomes the secret if the queue has none yet.
///
/// The secret stays for as long as its key does. Who deletes the key makes all links invalid that are still out.
pub fn secret(queue: &Queue, candidate: [u8; SECRET_BYTES]) -> Call<[u8; SECRET_BYTES]> {
    let call = Call::script(&SECRET, queue, |answer| answer.bytes()?.try_into().map_err(|_| UnexpectedAnswer));
    call.argument(candidate)
}
