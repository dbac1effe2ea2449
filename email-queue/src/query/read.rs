use crate::{EmailId, Queue, Record, call::Call, record::record, script::READ};

/// Reads the record of an email; `None` if there is none.
pub fn read(queue: &Queue, id: EmailId) -> Call<Option<Record>> {
    read_up_to(queue, id, "-1")
}

/// The same, but no more than the first MiB of the record, so that its JSON may be cut off.
pub fn read_beginning(queue: &Queue, id: EmailId) -> Call<Option<Record>> {
    read_up_to(queue, id, "1048575")
}

fn read_up_to(queue: &Queue, id: EmailId, last_byte: &str) -> Call<Option<Record>> {
    let call = Call::script(&READ, queue, |answer| if answer.is_empty() { Ok(None) } else { record(answer).map(Some) });
    call.number(id).argument(last_byte)
}
