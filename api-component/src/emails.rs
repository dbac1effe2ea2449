//! The resource `/emails`.

mod create;
mod retrieve;

pub(crate) use create::create;
pub(crate) use retrieve::retrieve;
