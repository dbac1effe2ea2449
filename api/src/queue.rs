//! The resource `/queue`: what an operator sees of it as a whole, and does with it.

mod pause;
mod stats;
mod workers;

pub(crate) use pause::{pause, resume};
pub(crate) use stats::stats;
pub(crate) use workers::workers;
