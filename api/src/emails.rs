//! The resource `/emails`.

mod accept;
mod attachments;
mod batch;
mod bulk;
mod change;
mod create;
mod find;
mod held;
mod idempotency;
mod list;
mod page;
mod retrieve;
mod room;
mod sender;
mod shape;
mod status;
mod timeline;
mod why;

pub(crate) use attachments::{download_attachment, list_attachments, retrieve_attachment};
pub(crate) use batch::create_batch;
pub(crate) use bulk::{discard_matching, move_matching, retry_matching};
pub(crate) use change::{cancel, discard, move_to_lane, reschedule, retry};
pub(crate) use create::create;
pub(crate) use list::list;
pub(crate) use retrieve::retrieve;
pub(crate) use timeline::timeline;
pub(crate) use why::why;
