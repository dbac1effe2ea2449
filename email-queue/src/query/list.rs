use crate::{
    EmailId, Queue, Record, State,
    call::{Answer, Call, UnexpectedAnswer},
    record,
    script::LIST,
};

/// The page that [`list`] returns.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// How many at the most.
    pub limit: usize,
    /// Where to begin.
    pub cursor: Cursor,
    /// Only emails in this state; `None` for any.
    pub state: Option<State>,
}

/// A position in the list of all emails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// With the newest email.
    Newest,
    /// After this email, with older ones.
    After(EmailId),
    /// The newer ones, up to and without this email.
    Before(EmailId),
}

/// A part of all emails, the newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// The emails, each with the first 32 KiB of its record. The JSON may be cut off, but nearly always suffices for an
    /// [`Outline`](crate::email::Outline).
    pub emails: Vec<(EmailId, Record)>,
    /// Whether more follow in the direction of the cursor. A page may be short although more follow, if the state is
    /// rare.
    pub has_more: bool,
    /// The last email looked at: the cursor of the next page in the same direction.
    pub next: Option<EmailId>,
}

/// Lists emails. Redis looks at no more than 200 of them, and reads no more than 32 KiB of each.
pub fn list(queue: &Queue, page: Page) -> Call<Listed> {
    let (direction, cursor) = match page.cursor {
        Cursor::Newest => ("", String::new()),
        Cursor::After(id) => ("after", id.to_string()),
        Cursor::Before(id) => ("before", id.to_string()),
    };
    Call::script(&LIST, queue, listed)
        .number(page.limit)
        .argument(direction)
        .argument(cursor)
        .argument(page.state.map(State::as_str).unwrap_or_default())
}

fn listed(answer: &mut Answer) -> Result<Listed, UnexpectedAnswer> {
    let has_more = answer.flag()?;
    let last: Option<EmailId> = answer.optional()?;
    let mut emails = Vec::new();
    while !answer.is_empty() {
        let id = answer.text()?.parse().map_err(|_| UnexpectedAnswer)?;
        emails.push((id, record::record(answer)?));
    }
    Ok(Listed { emails, has_more, next: last.filter(|_| has_more) })
}
