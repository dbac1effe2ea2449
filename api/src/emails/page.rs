//! Which page of a list a query asks for: `limit`, and `after` or `before` an item of the list.

use std::{fmt::Display, str::FromStr};

use email_queue::email::names;

use crate::error::ApiError;

const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 100;

/// A page of a list whose items have ids of this type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page<Id> {
    /// The maximum number of items.
    pub(super) limit: usize,
    pub(super) position: Position<Id>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position<Id> {
    First,
    /// Right behind this item.
    After(Id),
    /// Right before this item.
    Before(Id),
}

impl<Id> Default for Page<Id> {
    fn default() -> Self {
        Self { limit: DEFAULT_LIMIT, position: Position::First }
    }
}

impl<Id: FromStr<Err: Display>> Page<Id> {
    /// Reads one parameter of a query. Returns whether it is one of a page; `others` are the parameters that the list has beside
    /// those. Unknown parameters are ignored, because proxies and trackers add their own, unless they look like a misspelt one.
    pub(super) fn take(&mut self, name: &str, value: &str, others: &[&'static str]) -> Result<bool, ApiError> {
        let position: fn(Id) -> Position<Id> = match name {
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                let rule = || ApiError::invalid_parameter("limit", format!("it is 1 to {MAX_LIMIT}"));
                self.limit = limit.ok_or_else(rule)?;
                return Ok(true);
            }
            "after" => Position::After,
            "before" => Position::Before,
            other if others.contains(&other) => return Ok(false),
            unknown => {
                let known = [&["limit", "after", "before"], others].concat();
                return match names::misspelt(unknown, &known) {
                    Some(misspelt) => Err(ApiError::misspelt_parameter(&misspelt)),
                    None => Ok(false),
                };
            }
        };
        if !matches!(self.position, Position::First) {
            return Err(ApiError::invalid_parameter(name, "only one of `after` and `before` can be given"));
        }
        self.position = position(value.parse().map_err(|error| ApiError::invalid_parameter(name, error))?);
        Ok(true)
    }
}
