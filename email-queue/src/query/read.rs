use crate::{
    EmailId, Queue, Record,
    call::{Answer, Call, UnexpectedAnswer},
    record::record,
    script::READ,
};

/// Reads the record of an email; `None` if there is none.
pub fn read(queue: &Queue, id: EmailId) -> Call<Option<Record>> {
    read_up_to(queue, id, "-1")
}

/// The same, but no more than the first MiB of the record, so that its JSON may be cut off.
pub fn read_beginning(queue: &Queue, id: EmailId) -> Call<Option<Record>> {
    read_up_to(queue, id, "1048575")
}

fn read_up_to(queue: &Queue, id: EmailId, last_byte: &str) -> Call<Option<Record>> {
    Call::script(&READ, queue, stored).number(id).argument(last_byte)
}

fn stored(answer: &mut Answer) -> Result<Option<Record>, UnexpectedAnswer> {
    if answer.is_empty() {
        return Ok(None);
    }
    let record = record(answer)?;
    let served = answer.prose()?.map(|json| serde_json::from_str(&json)).transpose().map_err(|_| UnexpectedAnswer)?;
    Ok(Some(Record { served: served.unwrap_or_default(), ..record }))
}
