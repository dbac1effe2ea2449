//! The receipt of an email as a span, which the attempt is a child of.

use std::time::{Duration, UNIX_EPOCH};

use email_queue::{email::Traceparent, transition::Claimed};
use opentelemetry::{
    Context, KeyValue,
    trace::{Span as _, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{export, when::Receipt};
use crate::queue_client::QueueClient;

/// Makes the span of the receipt, in the trace that the email belongs to, and makes `attempt` its child.
///
/// It begins when emails were asked for, or when this one was accepted: from then on the worker waited for it.
pub(super) fn begin(attempt: &Span, client: &QueueClient, claimed: &Claimed, receipt: Receipt) {
    let Some(tracer) = export::tracer() else { return };
    let queue = client.queue.name().to_owned();
    let accepted = UNIX_EPOCH + Duration::from_millis(claimed.created.as_millisecond().try_into().unwrap_or(0));
    let mut received = tracer
        .span_builder(format!("receive {queue}"))
        .with_kind(SpanKind::Client)
        .with_start_time(receipt.asked.max(accepted).min(receipt.answered))
        .with_attributes([
            KeyValue::new("messaging.system", "email-queue"),
            KeyValue::new("messaging.operation.name", "claim"),
            KeyValue::new("messaging.operation.type", "receive"),
            KeyValue::new("messaging.destination.name", queue),
            KeyValue::new("messaging.client.id", client.worker.to_string()),
            KeyValue::new("messaging.message.id", claimed.claim.id.to_string()),
        ])
        .start_with_context(tracer, &parent(&claimed.json));
    received.end_with_timestamp(receipt.answered);
    // It fails for a span that has begun already; this one has not.
    let _ = attempt.set_parent(Context::new().with_remote_span_context(received.span_context().clone()));
}

fn parent(json: &[u8]) -> Context {
    let Some(traceparent) = Traceparent::of(json) else { return Context::new() };
    Context::new().with_remote_span_context(SpanContext::new(
        TraceId::from_bytes(traceparent.trace()),
        SpanId::from_bytes(traceparent.parent()),
        TraceFlags::new(traceparent.flags()),
        true,
        TraceState::default(),
    ))
}
