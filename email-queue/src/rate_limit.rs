//! How many requests a client may make, counted in Redis over all instances of the API.
//!
//! - [`throttle`]: counts requests, and says whether they are within the limit;
//! - [`requests_made`], [`period_left`]: the present count, by one plain command.

mod spent;
mod throttle;

pub use spent::{period_left, requests_made};
pub use throttle::{Allowance, RateLimitStatus, throttle};
