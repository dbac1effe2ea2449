//! Retries after which recipients may have an email twice.

use email_queue::{
    Class, Record,
    query::{Entry, Event},
};

/// Why, as the end of a sentence.
pub(crate) const WHY: &str = "a relay may have had the whole message, and nobody has seen its answer";

/// The classes of failures after which a relay may have taken the email: its answer was not seen, or the worker that waited for it
/// has died. What was given up has had other failures before, of which the class tells nothing.
const DOUBTFUL: [Class; 3] = [Class::Unknown, Class::GivenUp, Class::Recovered];

/// Whether it may be so by all that is known of an email.
pub(crate) fn may_be_of(record: &Record, timeline: &[Entry]) -> bool {
    let is_doubtful = |class| matches!(class, Some(Class::Unknown | Class::Recovered));
    is_doubtful(record.class)
        || timeline.iter().any(|entry| is_doubtful(entry.class) || entry.event == Event::Recovered)
}

/// What to say of all with this class of their last failure, or with any.
pub(crate) fn of_all(class: Option<Class>) -> Option<String> {
    let which = match class {
        None => format!("Those of the classes {}", DOUBTFUL.map(Class::as_str).join(", ")),
        Some(class) => DOUBTFUL.contains(&class).then(|| "They".to_owned())?,
    };
    Some(format!("{which} may arrive twice: {WHY}."))
}
