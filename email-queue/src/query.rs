//! What is asked of a queue. Nothing here moves an email.
//!
//! - [`read`], [`read_beginning`]: one email; [`list`]: a page of them;
//! - [`depth`]: how many are where; [`ready`]: whether more can be accepted;
//! - [`default_sender`]: who sends an email that names no sender, as [`announce_sender`] has said;
//! - [`secret`]: what the API signs links with; [`mark_version`]: which version the keys of the queue have. Both write the
//!   answer down where there is none yet.

mod default_sender;
mod depth;
mod list;
mod mark_version;
mod read;
mod ready;
mod secret;

pub use default_sender::{announce_sender, default_sender};
pub use depth::{Depth, depth};
pub use list::{Cursor, Listed, Page, list};
pub use mark_version::{KNOWN_VERSION, mark_version};
pub use read::{read, read_beginning};
pub use ready::ready;
pub use secret::{SECRET_BYTES, secret};
