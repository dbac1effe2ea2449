//! Notices that the queue has more shards than `--shards` says: what is shown is a part then, and what is done is done to a part.

use std::fmt;

use email_queue::{
    EmailId, Queue, Shards,
    query::{InUse, in_use, read_beginning},
};

use crate::{
    context::{Context, Unusable},
    output,
};

/// Shards that `--shards` leaves out.
pub(crate) struct LeftOut {
    /// The first of them.
    queue: Queue,
    found: InUse,
    /// What `--shards` says.
    told: u16,
    /// How many there are at least.
    count: u16,
    /// How many the workers serve; `None` while none lives.
    served: Option<u16>,
}

/// Looks at the shard behind the last one: a queue with more shards uses that one as often as any other. `None` also where it cannot
/// be asked, as a user of Redis may lack the right to.
pub(crate) async fn left_out(context: &Context, told: &Shards) -> Option<LeftOut> {
    let (queue, found) = behind(context, told).await?;
    let mut shards = more(told)?;
    while behind(context, &shards).await.is_some() {
        let Some(next) = more(&shards) else { break };
        shards = next;
    }
    let served = served(context, &shards).await;
    Some(LeftOut { queue, found, told: told.count(), count: shards.count(), served })
}

/// How many of the shards live workers serve, which are the first ones; `None` if none lives, or Redis does not say.
async fn served(context: &Context, shards: &Shards) -> Option<u16> {
    if !context.run(&in_use(shards.first())).await.ok()?.has_workers {
        return None;
    }
    for shard in shards.all().rev() {
        if context.run(&in_use(&shards.queue(shard))).await.ok()?.has_workers {
            return Some(shard.number() + 1);
        }
    }
    None
}

/// Says that no worker serves some of the shards, if workers serve others.
pub(crate) async fn unserved(context: &Context, shards: &Shards) -> Option<Unserved> {
    let served = served(context, shards).await.filter(|served| *served < shards.count())?;
    Some(Unserved { told: shards.clone(), served })
}

/// Refuses to send emails to shards that no worker serves while workers serve others: they would wait unnoticed. While no worker lives
/// at all they wait for one that is started.
///
/// # Errors
/// [`Unusable`], with the way out.
pub(crate) async fn require_served(context: &Context, shards: &Shards) -> Result<(), Unusable> {
    match unserved(context, shards).await {
        Some(unserved) => Err(Unusable(format!("{unserved}. Nothing was done: {}", unserved.way_out()))),
        None => Ok(()),
    }
}

/// What to say of an id of which the shards that `--shards` says know no email.
pub(crate) async fn no_such_email(context: &Context, id: EmailId) -> String {
    match is_left_out(context, id).await {
        Some(queue) => format!(
            "{id}: this email is in {}, a shard behind the {} that --shards says: give as many --shards as the API has",
            queue.name(),
            context.shards.count()
        ),
        None => format!("{id}: there is no such email; sent ones are deleted after the retention"),
    }
}

/// The shard that an id says, if `--shards` leaves it out and it has the email: ids of the time when there was one shard say any.
async fn is_left_out(context: &Context, id: EmailId) -> Option<Queue> {
    let queue = context.shards.left_out(id)?;
    context.run(&read_beginning(&queue, id)).await.ok()?.map(|_| queue)
}

/// The shard behind the last one, if it is in use.
async fn behind(context: &Context, shards: &Shards) -> Option<(Queue, InUse)> {
    let queue = shards.beyond()?;
    let found = context.run(&in_use(&queue)).await.ok()?;
    (found.has_emails || found.has_workers).then_some((queue, found))
}

/// With one more.
fn more(shards: &Shards) -> Option<Shards> {
    Shards::new(shards.first().clone(), shards.count() + 1).ok()
}

/// Refuses to change a part of a queue that is meant as a whole, if there are more than these shards.
///
/// # Errors
/// [`Unusable`], with the way out.
pub(crate) async fn require_all(context: &Context, told: &Shards) -> Result<(), Unusable> {
    match left_out(context, told).await {
        Some(left_out) => Err(Unusable(format!("{left_out}. Nothing was done: {}", left_out.way_out()))),
        None => Ok(()),
    }
}

/// Says of what is shown that it is a part, if it is.
pub(crate) async fn remark(context: &Context) {
    if let Some(left_out) = left_out(context, &context.shards).await {
        output::remark(&format!("This is a part of the queue: {left_out}; {}.", left_out.way_out()));
    }
}

/// Shards of `--shards` that no worker serves, though workers serve others.
pub(crate) struct Unserved {
    /// What `--shards` says.
    told: Shards,
    /// How many the workers serve.
    served: u16,
}

impl LeftOut {
    pub(crate) fn way_out(&self) -> String {
        let give = format!("give --shards {}, or EMAIL_QUEUE_SHARDS", self.count);
        match self.served {
            Some(served) if served >= self.count => format!("{give}, as the workers have it"),
            Some(served) => {
                format!("{give}, and start the workers, which serve {served}, with as many --shards as the API has")
            }
            None => format!("{give}, as the API has it"),
        }
    }
}

impl Unserved {
    pub(crate) fn way_out(&self) -> String {
        let Self { told, served } = self;
        format!(
            "start the workers with --shards {}; if the API too has {served}, give emailq --shards {served}, or EMAIL_QUEUE_SHARDS",
            told.count()
        )
    }
}

impl fmt::Display for Unserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { told, served } = self;
        let first = told.all().nth(usize::from(*served)).unwrap_or_default();
        let name = told.queue(first);
        let (name, count) = (name.name(), told.count());
        match count - served {
            1 => write!(f, "no worker serves {name}: the workers have {served} shards, and emailq was told of {count}"),
            more => write!(
                f,
                "no worker serves {more} shards, from {name} on: the workers have {served}, and emailq was told of {count}"
            ),
        }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue, found, told, count, .. } = self;
        let what = match found {
            InUse { has_emails: true, has_workers: true } => "has emails, and a worker serves it",
            InUse { has_emails: true, has_workers: false } => "has emails",
            InUse { .. } => "is served by a worker",
        };
        write!(f, "there are at least {count} shards, and emailq was told of {told}: {} {what}", queue.name())
    }
}
