use email_queue::{
    EmailId,
    call::Redis,
    email::{Mailbox, Outline},
    query,
};
use http::StatusCode;

use super::{find::find, held, sender, shape::Retrieved};
use crate::{
    access::Rights,
    backend::Failure,
    context::Context,
    error::ApiError,
    response::{Response, json},
};

/// `GET /emails/<id>`: an email and its state; without its texts for a key that may only read.
pub(crate) async fn retrieve<R: Redis<Error: Failure>>(
    context: &Context<'_, R>,
    id: &str,
) -> Result<Response, ApiError> {
    let id: EmailId = id.parse().map_err(ApiError::invalid_id)?;
    let settings = context.settings;
    let record = find(settings, id, async |queue| query::read(queue, id).run(context.redis).await).await?;
    let mut record = record.ok_or_else(ApiError::unknown_email)?;
    held::explain(settings, context.redis, std::iter::once(&mut record)).await?;
    let mut submission = record.submission(&Mailbox::built_in_sender());
    if let Some(submission) = submission.as_mut().filter(|submission| !submission.names_sender) {
        submission.email.from = sender::default(settings, context.redis).await?;
    }
    let mut email = submission.map(|submission| submission.email);
    if let Some(email) = email.as_mut().filter(|_| context.caller.rights == Rights::Reading) {
        (email.html, email.text) = (None, None);
    }
    let outline = email.as_ref().map(Outline::from);
    Ok(json(StatusCode::OK, &Retrieved::new(id, &record, outline, email.as_ref())))
}
