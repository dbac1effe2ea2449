//! The figures, and their targets.

use serde::Serialize;

use crate::machine::Machine;

/// All that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    /// Whether counts and times were small.
    pub(crate) quick: bool,
    pub(crate) rows: Vec<Row>,
    pub(crate) failures: Vec<Failure>,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) measurement: String,
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) ratio: Option<Ratio>,
    pub(crate) target: Option<Target>,
    /// Whether the ratio, or where there is none the value, meets the target.
    pub(crate) met: Option<bool>,
    pub(crate) note: Option<String>,
}

/// The figure divided by another one of the same run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Ratio {
    pub(crate) value: f64,
    /// What the other one is.
    pub(crate) of: String,
}

/// What the figure, or its ratio, is meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// Both ends belong to it.
    Between(f64, f64),
}

/// A measurement that could not be made, or not to its end.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    pub(crate) measurement: String,
    pub(crate) error: String,
}

impl Report {
    pub(crate) fn new(quick: bool, machine: Machine) -> Report {
        Report { machine, quick, rows: Vec::new(), failures: Vec::new() }
    }
}

impl Row {
    pub(crate) fn new(what: impl Into<String>, value: f64, unit: &'static str) -> Row {
        Row {
            measurement: String::new(),
            what: what.into(),
            value,
            unit,
            ratio: None,
            target: None,
            met: None,
            note: None,
        }
    }

    /// Divides the figure by `other`.
    pub(crate) fn over(mut self, other: f64, of: impl Into<String>) -> Row {
        self.ratio = Some(Ratio { value: self.value / other, of: of.into() });
        self
    }

    /// What it is meant to be. Call it after [`over`](Self::over) if the ratio is meant.
    pub(crate) fn target(mut self, target: Target) -> Row {
        let judged = self.ratio.as_ref().map_or(self.value, |ratio| ratio.value);
        self.target = Some(target);
        self.met = Some(target.is_met(judged));
        self
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Row {
        self.note = Some(note.into());
        self
    }
}

impl Target {
    fn is_met(self, value: f64) -> bool {
        match self {
            Target::AtLeast(least) => value >= least,
            Target::AtMost(most) => value <= most,
            Target::Between(least, most) => (least..=most).contains(&value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_judged_in_the_place_of_the_figure() {
        let row = Row::new("drain", 30.0, "/s").over(50.0, "RPOP").target(Target::AtLeast(0.5));
        assert_eq!(row.met, Some(true));
        assert_eq!(Row::new("p99", 3.5, "ms").target(Target::AtMost(3.0)).met, Some(false));
        assert_eq!(Row::new("rate", 1.2, "").target(Target::Between(0.85, 1.15)).met, Some(false));
        assert_eq!(Row::new("rate", 1.2, "").met, None);
    }
}
