//! Traces of deliveries ([OpenTelemetry](https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/)): that an email
//! was received from the queue, each attempt, and within it the phases of SMTP. They join the trace whose `traceparent` the post
//! had.
//!
//! Spans are made only where `OTEL_EXPORTER_OTLP_ENDPOINT` asks for it, and with the feature `otlp`. They hold no address.

#[cfg(feature = "otlp")]
mod collector;
#[cfg(feature = "otlp")]
mod export;
#[cfg(feature = "otlp")]
mod receipt;
mod when;

use email_queue::transition::{Claimed, Outcome};
use tracing::{Span, trace_span};

use crate::queue_client::QueueClient;
#[cfg(feature = "otlp")]
pub use export::{Export, ExportError};
pub(crate) use when::Receipt;
use when::TRACE;

/// The span of an attempt, the nth of its email, in the trace of the email. A span that is disabled if nobody asks for traces.
pub(crate) fn attempt(client: &QueueClient, claimed: &Claimed, nth: u32, receipt: Receipt) -> Span {
    let (queue, id) = (client.queue.name(), claimed.claim.id);
    let span = trace_span!(
        target: TRACE,
        parent: None,
        "process",
        otel.name = format!("process {queue}"),
        otel.kind = "consumer",
        otel.status_code = tracing::field::Empty,
        otel.status_description = tracing::field::Empty,
        error.type = tracing::field::Empty,
        messaging.system = "email-queue",
        messaging.operation.name = "deliver",
        messaging.operation.type = "process",
        messaging.destination.name = queue,
        messaging.client.id = %client.worker,
        messaging.message.id = %id,
        email_queue.attempt = nth,
        email_queue.outcome = tracing::field::Empty,
    );
    #[cfg(feature = "otlp")]
    if !span.is_disabled() {
        receipt::begin(&span, client, claimed, receipt);
    }
    #[cfg(not(feature = "otlp"))]
    let _ = (receipt.asked, receipt.answered, claimed);
    span
}

/// Notes how an attempt has ended.
pub(crate) fn ended(span: &Span, outcome: &Outcome) {
    if span.is_disabled() {
        return;
    }
    span.record("email_queue.outcome", outcome.as_str());
    if let Some(class) = outcome.class() {
        span.record("error.type", class.as_str());
        span.record("otel.status_code", "ERROR");
        span.record("otel.status_description", class.as_str());
    }
}
