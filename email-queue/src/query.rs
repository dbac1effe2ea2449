//! Reads of a queue. Nothing here moves an email; [`secret`] stores what its first call returns, and [`series`] the
//! counters from time to time.
//!
//! - [`read`], [`read_beginning`]: one email; [`list`]: a page of them; [`Merged`]: one page of those of several shards;
//!   [`search`]: those that match;
//! - [`newest_failed`]: the newest dead letters;
//! - [`timeline`]: what has happened to an email; [`why`]: what it waits for, and when it will be sent;
//! - [`series`]: the last hour, of which [`minutes`] and [`sent_per_minute`] tell;
//! - [`stats`]: what there is in a queue; [`workers`]: who sends it; [`paused`]: which lanes are paused; [`QueueView`] and
//!   [`WorkersView`]: these as JSON;
//! - [`hold_off_reason`]: why emails of all shards wait for the relay;
//! - [`depth`]: counts by state; [`ready`]: whether more can be accepted; [`in_use`]: whether there is anything at all;
//! - [`wrong_types`]: keys that another program uses for something else;
//! - [`default_sender`]: the sender of emails without one;
//! - [`secret`]: signs the API's links. The first call stores it.

mod default_sender;
mod depth;
mod held;
mod in_use;
mod list;
mod merge;
mod newest_failed;
mod paused;
mod read;
mod ready;
mod search;
mod secret;
mod series;
mod stats;
mod timeline;
mod view;
mod why;
mod workers;
mod wrong_types;

pub use default_sender::default_sender;
pub use depth::{Depth, depth};
pub use held::hold_off_reason;
pub use in_use::{InUse, in_use};
pub use list::{Cursor, Listed, Page, list};
pub use merge::{Merged, MergedPage};
pub use newest_failed::newest_failed;
pub(crate) use paused::pauses;
pub use paused::{PausedLanes, Pauses, paused};
pub use read::{read, read_beginning};
pub use ready::ready;
pub use search::{Filter, Found, search};
pub use secret::{SECRET_BYTES, secret};
pub use series::{Minute, Series, minutes, sent_per_minute, series, series_of_all};
pub use stats::{HeldOffRelay, LaneStats, Stats, stats, stats_of_all};
pub use timeline::{Entry, Event, timeline};
pub use view::{QueueView, TOTALS, WorkersView};
pub use why::{Action, Reason, Why, why};
pub use workers::{WorkerState, workers, workers_of_all};
pub use wrong_types::{WrongType, wrong_types};
