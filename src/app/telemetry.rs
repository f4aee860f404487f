//! Traces to a collector: OTLP over HTTP, in JSON. Nobody waits for it, and what it does not take is dropped and counted.

use super::alerts::roots;
use crate::config::{Telemetry, mistake};
use crate::limits::{TRACE_BATCH_SPANS, TRACE_EVERY, TRACE_TIME_MAX};
use crate::metrics::Metrics;
use crate::model::Problem;
use crate::net::Body;
use crate::net::client::{Client, ClientSettings, Outgoing};
use crate::ops::trace::{Spans, Traced};
use http::{Method, header};
use serde_json::{Value, json};
use tokio::sync::watch;

/// Hands spans to a collector.
pub struct Exporter {
    client: Client,
    url: String,
    party: String,
    metrics: Metrics,
    /// Whether the last batch was taken: what goes on for long is said once.
    well: bool,
}

impl Exporter {
    /// To the collector of this configuration; `party`: who tells. Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// A mistake of the configuration: certificates that are none.
    pub fn new(telemetry: &Telemetry, party: &str, metrics: Metrics) -> Result<Self, Problem> {
        let settings = ClientSettings {
            roots: roots("telemetry", &telemetry.anchor_files)?,
            identity: None,
            plain_http: telemetry.endpoint.starts_with("http:"),
        };
        let client = Client::new(&settings)
            .map_err(|error| mistake("telemetry.anchor_files", error, "give PEM files with certificates"))?;
        let url = format!("{}/v1/traces", telemetry.endpoint.trim_end_matches('/'));
        Ok(Self { client, url, party: party.to_owned(), metrics, well: true })
    }

    /// Exports until the end is asked for, and then what is left.
    pub async fn run(mut self, mut spans: Spans, mut stop: watch::Receiver<bool>) {
        let mut batch = Vec::new();
        loop {
            // An error means that the sender is gone, which is the end as well.
            let ends = tokio::select! {
                () = collect(&mut spans, &mut batch) => false,
                _ = stop.wait_for(|end| *end) => true,
            };
            while let Ok(more) = spans.taken.try_recv() {
                batch.extend(more);
            }
            self.export(std::mem::take(&mut batch)).await;
            self.metrics.spans("dropped", spans.dropped());
            if ends {
                return;
            }
        }
    }

    async fn export(&mut self, batch: Vec<Traced>) {
        if batch.is_empty() {
            return;
        }
        let number = batch.len() as u64;
        let told = self.post(&batch).await;
        self.metrics.spans(if told.is_ok() { "exported" } else { "failed" }, number);
        if let Err(error) = &told
            && self.well
        {
            tracing::warn!(url = self.url, error, "traces are not taken, and are dropped until they are");
        }
        self.well = told.is_ok();
    }

    async fn post(&self, batch: &[Traced]) -> Result<(), String> {
        let body = Body::empty().memory(otlp(batch, &self.party).to_string());
        let headers = [(header::CONTENT_TYPE, "application/json".to_owned())];
        let outgoing =
            Outgoing { method: Method::POST, url: &self.url, headers: &headers, body, timeout: TRACE_TIME_MAX };
        let answer = self.client.request(outgoing).await.map_err(|error| error.to_string())?;
        match answer.status {
            200..300 => Ok(()),
            status => Err(format!("found HTTP status {status}, expected 200 to 299")),
        }
    }
}

/// Takes what comes until there is enough for one batch, or it is time.
async fn collect(spans: &mut Spans, batch: &mut Vec<Traced>) {
    let all = async {
        while batch.len() < TRACE_BATCH_SPANS {
            match spans.taken.recv().await {
                Some(more) => batch.extend(more),
                // Nobody tells any more: until the end, then.
                None => std::future::pending().await,
            }
        }
    };
    // Out of time is no error: what has come goes.
    drop(tokio::time::timeout(TRACE_EVERY, all).await);
}

/// Spans as OTLP has them (opentelemetry-proto, `ExportTraceServiceRequest` in JSON).
fn otlp(spans: &[Traced], party: &str) -> Value {
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let resource = [
        text("service.name", "sluss"),
        text("service.version", env!("CARGO_PKG_VERSION")),
        text("service.instance.id", party),
    ];
    let spans: Vec<Value> = spans.iter().map(|span| otlp_span(span, &text)).collect();
    json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{ "scope": { "name": "sluss" }, "spans": spans }],
    }] })
}

fn otlp_span(span: &Traced, text: &impl Fn(&str, &str) -> Value) -> Value {
    let kind = match span.name.as_str() {
        "receive" => SERVER,
        "as4 send" => CLIENT,
        _ => INTERNAL,
    };
    let facts: Vec<Value> = span.facts.iter().map(|(name, value)| text(name, value)).collect();
    let mut said = json!({
        "traceId": format!("{:032x}", span.trace),
        "spanId": format!("{:016x}", span.span),
        "name": span.name,
        "kind": kind,
        "startTimeUnixNano": span.begun.to_string(),
        "endTimeUnixNano": span.ended.to_string(),
        "attributes": facts,
        "status": if span.failed { json!({ "code": FAILED }) } else { json!({}) },
    });
    if let Some(parent) = span.parent {
        said["parentSpanId"] = format!("{parent:016x}").into();
    }
    said
}

/// `SPAN_KIND_INTERNAL`.
const INTERNAL: u8 = 1;
/// `SPAN_KIND_SERVER`.
const SERVER: u8 = 2;
/// `SPAN_KIND_CLIENT`.
const CLIENT: u8 = 3;
/// `STATUS_CODE_ERROR`.
const FAILED: u8 = 2;

#[cfg(test)]
mod tests {
    use super::otlp;
    use crate::ops::trace::Traced;
    use serde_json::json;

    #[test]
    fn a_span_is_written_as_otlp_has_it() {
        let span = Traced {
            trace: 0x0102,
            span: 0xab,
            parent: Some(1),
            name: "as4 send".into(),
            begun: 1_800_000_000_000_000_000,
            ended: 1_800_000_000_000_000_007,
            failed: true,
            facts: vec![("sluss.message_id", "x".into())],
        };
        let said = otlp(&[span], "AP0001");
        assert_eq!(said["resourceSpans"][0]["resource"]["attributes"][2]["value"]["stringValue"], "AP0001");
        let expected = json!({
            "traceId": "00000000000000000000000000000102", "spanId": "00000000000000ab",
            "parentSpanId": "0000000000000001", "name": "as4 send", "kind": 3,
            "startTimeUnixNano": "1800000000000000000", "endTimeUnixNano": "1800000000000000007",
            "attributes": [{ "key": "sluss.message_id", "value": { "stringValue": "x" } }],
            "status": { "code": 2 },
        });
        assert_eq!(said["resourceSpans"][0]["scopeSpans"][0]["spans"][0], expected);
    }
}
