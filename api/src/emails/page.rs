//! Which part of a list a query asks for: `limit`, and `after` or `before` an item of the list.

use std::{fmt::Display, str::FromStr};

use email_queue::email::names;

use crate::error::ApiError;

const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 100;

/// A part of a list whose items have ids of this type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page<Id> {
    /// How many items at the most.
    pub(super) limit: usize,
    /// Where they are.
    pub(super) place: Place<Id>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place<Id> {
    /// At the beginning of the list.
    First,
    /// Right behind this item.
    After(Id),
    /// Right before this item.
    Before(Id),
}

impl<Id> Default for Page<Id> {
    fn default() -> Self {
        Self { limit: DEFAULT_LIMIT, place: Place::First }
    }
}

impl<Id: FromStr<Err: Display>> Page<Id> {
    /// Takes one parameter of a query in. Says whether it is one of those that a page has; if not, `others` are what the
    /// list has beside them. What is none of either is left to whoever adds it to a URL for purposes of their own, unless
    /// it is close to one that is.
    pub(super) fn take(&mut self, name: &str, value: &str, others: &[&'static str]) -> Result<bool, ApiError> {
        let place: fn(Id) -> Place<Id> = match name {
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                let rule = || ApiError::invalid_parameter("limit", format!("it is 1 to {MAX_LIMIT}"));
                self.limit = limit.ok_or_else(rule)?;
                return Ok(true);
            }
            "after" => Place::After,
            "before" => Place::Before,
            other if others.contains(&other) => return Ok(false),
            unknown => {
                let known = [&["limit", "after", "before"], others].concat();
                return match names::misspelt(unknown, &known) {
                    Some(misspelt) => Err(ApiError::misspelt_parameter(&misspelt)),
                    None => Ok(false),
                };
            }
        };
        if !matches!(self.place, Place::First) {
            return Err(ApiError::invalid_parameter(name, "only one of `after` and `before` can be given"));
        }
        self.place = place(value.parse().map_err(|error| ApiError::invalid_parameter(name, error))?);
        Ok(true)
    }
}
