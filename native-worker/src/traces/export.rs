//! The export of spans by OTLP ([protocol](https://opentelemetry.io/docs/specs/otlp/#otlphttp)), as the variables of
//! OpenTelemetry say ([exporter](https://opentelemetry.io/docs/specs/otel/protocol/exporter/),
//! [SDK](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/)).
//!
//! Spans wait in a queue of bounded size for a thread that exports them; what finds no room is lost. So no collector holds up a
//! delivery.

use std::{env, sync::OnceLock, time::Duration};

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{SdkTracer, SdkTracerProvider},
};
use program::logging::Beside;
use tokio::runtime::Handle;
use tracing_subscriber::{Layer, filter::Targets};

use super::{collector::Collector, when::TRACE};

/// How long the worker's end waits for the last spans.
const PATIENCE: Duration = Duration::from_secs(1);

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Why traces cannot be exported as it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Only collectors without TLS are reached.
    #[error(
        "{0} has to begin with http://: traces go without TLS, to a collector on this machine or in a private network"
    )]
    Scheme(&'static str),
    /// Another setting of OpenTelemetry cannot be used.
    #[error("traces cannot be exported by OTLP: {0}")]
    Other(#[from] ExporterBuildError),
}

/// The export of traces.
pub struct Export(SdkTracerProvider);

impl Export {
    /// Begins to export, where a variable names a collector: the export, and what has to get all spans. `handle` is that of the
    /// runtime that talks to the collector.
    ///
    /// # Errors
    /// A variable cannot be used.
    pub fn from_environment(handle: Handle) -> Result<Option<(Self, Beside)>, ExportError> {
        let given = |name| env::var_os(name).filter(|value| !value.is_empty());
        let names = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
        let Some((name, endpoint)) = names.into_iter().find_map(|name| Some((name, given(name)?))) else {
            return Ok(None);
        };
        if given("OTEL_SDK_DISABLED").is_some_and(|disabled| disabled.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        if !endpoint.to_string_lossy().starts_with("http://") {
            return Err(ExportError::Scheme(name));
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new(handle))
            .with_protocol(Protocol::HttpBinary)
            .build()?;
        let resource = Resource::builder();
        let resource = match given("OTEL_SERVICE_NAME") {
            Some(_) => resource,
            None => resource.with_service_name("email-queue-worker"),
        };
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build();
        let tracer = provider.tracer("native-worker");
        let spans = Targets::new()
            .with_target(TRACE, tracing::Level::TRACE)
            .with_target(smtp_client::TRACE, tracing::Level::TRACE);
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer.clone())
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false);
        // It is called once.
        let _ = TRACER.set(tracer);
        Ok(Some((Self(provider), Box::new(layer.with_filter(spans)))))
    }

    /// Exports what is left. Takes no longer than a second.
    pub fn end(self) {
        // What is lost then was said before.
        let _ = self.0.shutdown_with_timeout(PATIENCE);
    }
}

/// Makes spans of whose beginning the layer knows nothing; `None` if nobody asks for traces.
pub(super) fn tracer() -> Option<&'static SdkTracer> {
    TRACER.get()
}
