//! What is to be confirmed, and how it is asked.

use email_queue::{EmailId, Lane, Record, query::Entry};
use ratatui::text::Span;

use crate::{bulk::twice, output::text, state::named, view::Summary};

/// What is to be confirmed. The answer does this and nothing else, whatever has become of the queue meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// To pause lanes that are not paused, or not in all shards.
    Pause(Vec<Lane>),
    /// To resume lanes that are paused.
    Resume(Vec<Lane>),
    Retry(Asked),
    Discard(Asked),
}

/// An email that is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) id: EmailId,
    to: String,
    subject: String,
    may_arrive_twice: bool,
}

impl Asked {
    pub(super) fn new(id: EmailId, record: &Record, timeline: &[Entry]) -> Self {
        let summary = Summary::new(id, record);
        Self {
            id,
            to: text::line(&summary.recipients()),
            subject: text::line(summary.subject.as_deref().unwrap_or_default()),
            may_arrive_twice: twice::may_be_of(record, timeline),
        }
    }

    /// Recipient and subject are cut so that all fits in the width, as far as it can.
    fn named(&self, before: &str, width: usize) -> String {
        let rest = width.saturating_sub(columns(&format!("{before} to , \"\"?")));
        let to = cut(&self.to, (rest / 2).max(rest.saturating_sub(columns(&self.subject))));
        let subject = cut(&self.subject, rest.saturating_sub(columns(&to)));
        format!("{before} to {to}, \"{subject}\"?")
    }
}

impl Question {
    /// In one line of this width.
    pub(super) fn text(&self, width: usize) -> String {
        match self {
            Self::Pause(lanes) if lanes.len() == Lane::ALL.len() => "Pause the whole queue?".to_owned(),
            Self::Pause(lanes) => format!("Pause the rest of the queue too: {}?", named(lanes)),
            Self::Resume(lanes) => format!("Resume what is paused: {}?", named(lanes)),
            Self::Retry(email) => email.named("Retry the email", width),
            Self::Discard(email) => email.named("Discard for good the email", width),
        }
    }

    /// What else to know before the answer.
    pub(super) fn remark(&self) -> String {
        match self {
            Self::Pause(_) | Self::Resume(_) => String::new(),
            Self::Retry(email) if email.may_arrive_twice => format!("It may arrive twice. {}", email.id),
            Self::Retry(email) | Self::Discard(email) => email.id.to_string(),
        }
    }
}

/// How many columns a text takes on the screen.
fn columns(text: &str) -> usize {
    Span::raw(text).width()
}

/// The beginning of a text that fits in so many columns.
fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut beginning = String::new();
    for c in text.chars() {
        beginning.push(c);
        if columns(&beginning) >= width {
            beginning.pop();
            break;
        }
    }
    beginning + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipient_and_subject_are_cut_to_the_width() {
        let asked = |to: &str, subject: &str| Asked {
            id: EmailId::new(),
            to: to.to_owned(),
            subject: subject.to_owned(),
            may_arrive_twice: false,
        };
        let long = "漢字 ".repeat(100);
        for (to, subject) in [("ann@example.com", "Hi"), (&*long, "Hi"), ("ann@example.com", &*long), (&*long, &*long)]
        {
            for width in [80, 120, 200] {
                let question = Question::Discard(asked(to, subject)).text(width);
                assert!(columns(&question) <= width, "{width}: {question}");
                assert!(question.ends_with("\"?"), "{question}");
                assert!(to.len() > 15 || question.contains(to), "{width}: {question}");
                assert!(subject.len() > 2 || question.contains("\"Hi\""), "{width}: {question}");
            }
        }
        assert!(Question::Retry(asked("ann@example.com", "Hi")).text(10).ends_with("to …, \"…\"?"));
    }
}
