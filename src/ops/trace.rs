//! The journeys of messages as spans, for whoever collects traces (OpenTelemetry). Times and ids only: never content, never keys.
//!
//! The trace of a message is the UUID of its envelope, so that both access points tell of the same one, and an operator finds it by
//! that id. What one process does for a message at one time is a span (`send`, `submit`, `attempt`, `receive`, `deliver`), and its
//! stages are spans below it. All but `send` are below `submit`, whose id derives from the trace's.

use super::log;
use crate::model::{Clock, Message, SystemClock};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tracing::field::{Field, Visit, display};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// What is told here is for traces: the log leaves it out.
pub(super) const TARGET: &str = "sluss::trace";

/// The span that begins a trace.
const FIRST: &str = "submit";

/// Something that was done for a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Traced {
    /// The message's trace: the UUID of its envelope.
    pub trace: u128,
    /// Its own id.
    pub span: u64,
    /// Below what it stands.
    pub parent: Option<u64>,
    /// What was done.
    pub name: String,
    /// When it began, in nanoseconds of Unix time.
    pub begun: u64,
    /// When it ended.
    pub ended: u64,
    /// Whether it failed.
    pub failed: bool,
    /// Ids of the message.
    pub facts: Vec<(&'static str, String)>,
}

/// What was done, as it comes; what nobody takes in time is dropped and counted.
#[derive(Debug)]
pub struct Spans {
    /// Those of one journey at a time.
    pub taken: mpsc::Receiver<Vec<Traced>>,
    dropped: Arc<AtomicU64>,
}

/// Hears what is done for messages, and hands it on without waiting.
#[derive(Debug)]
pub struct Tracing {
    spans: mpsc::Sender<Vec<Traced>>,
    dropped: Arc<AtomicU64>,
}

/// Who hears, and where it comes out: at most so many journeys wait to be taken.
pub fn traces(waiting_max: usize) -> (Tracing, Spans) {
    let (spans, taken) = mpsc::channel(waiting_max);
    let dropped = Arc::<AtomicU64>::default();
    (Tracing { spans, dropped: Arc::clone(&dropped) }, Spans { taken, dropped })
}

impl Spans {
    /// How many were dropped since this was asked last.
    pub fn dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }
}

/// Makes a stage of a journey, and notes how long it took.
pub async fn stage<T, E>(name: &'static str, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let begun = Begun::now();
    let result = work.await;
    begun.ended(name, result.is_ok());
    result
}

/// As [`stage`], in the caller's thread.
pub fn stage_of<T, E>(name: &'static str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let begun = Begun::now();
    let result = work();
    begun.ended(name, result.is_ok());
    result
}

/// The journey of this span is that of `message`.
pub(super) fn name(span: &tracing::Span, message: &Message) {
    let known = message.as4_message_id.as_ref().map(display);
    tracing::event!(target: TARGET, parent: span, Level::INFO, envelope = %message.envelope_id, id = %message.id,
        as4_message = known, attempt = message.attempts, receipt = message.document_type.is_message_receipt());
}

/// When something began: on the wall, and for measuring.
#[derive(Clone, Copy, Debug)]
struct Begun(u64, Instant);

impl Begun {
    fn now() -> Self {
        Self(u64::try_from(SystemClock.now().as_nanosecond()).unwrap_or(0), Instant::now())
    }

    fn ended(self, name: &'static str, ok: bool) {
        let took = nanoseconds(self.1.elapsed());
        tracing::event!(target: TARGET, Level::INFO, stage = name, begun = self.0, took, ok);
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// What is done for a message, while it is done.
#[derive(Debug)]
struct Journey {
    name: &'static str,
    span: u64,
    begun: Begun,
    stages: Vec<Told>,
    /// What is known of the message; the last that was told.
    message: Told,
}

/// What an event tells: of a stage, or of the message.
#[derive(Debug, Default)]
struct Told {
    stage: Option<String>,
    begun: u64,
    took: u64,
    ok: bool,
    trace: Option<u128>,
    receipt: bool,
    facts: Vec<(&'static str, String)>,
}

impl Visit for Told {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "stage" {
            self.stage = Some(value.to_owned());
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "begun" => self.begun = value,
            "took" => self.took = value,
            "attempt" => self.facts.push(("sluss.attempt", value.to_string())),
            _ => {}
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        match field.name() {
            "ok" => self.ok = value,
            "receipt" => self.receipt = value,
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let value = format!("{value:?}");
        match field.name() {
            "envelope" => {
                self.trace = uuid::Uuid::parse_str(&value).ok().map(|id| id.as_u128()).filter(|id| *id != 0);
                self.facts.push(("sluss.envelope_id", value));
            }
            "id" => self.facts.push(("sluss.message_id", value)),
            "as4_message" => self.facts.push(("sluss.as4_message_id", value)),
            _ => {}
        }
    }
}

impl Tracing {
    /// This, for the spans of journeys and what is told of them.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(self) -> impl Layer<S> {
        let journeys = |metadata: &Metadata<'_>| {
            metadata.target() == TARGET || (metadata.is_span() && metadata.target() == log::TARGET)
        };
        self.with_filter(filter_fn(journeys).with_max_level_hint(LevelFilter::INFO))
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Tracing {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        span.extensions_mut().insert(Journey {
            name: attributes.metadata().name(),
            span: random(),
            begun: Begun::now(),
            stages: Vec::new(),
            message: Told::default(),
        });
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(span) = context.event_span(event) else { return };
        let mut extensions = span.extensions_mut();
        let Some(journey) = extensions.get_mut::<Journey>() else { return };
        let mut told = Told::default();
        event.record(&mut told);
        if told.stage.is_some() { journey.stages.push(told) } else { journey.message = told }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(journey) = span.extensions_mut().remove::<Journey>() else { return };
        let around = span.parent().and_then(|span| span.extensions().get::<Journey>().map(|journey| journey.span));
        let Some(traced) = journey.told(around) else { return };
        let number = traced.len() as u64;
        if self.spans.try_send(traced).is_err() {
            self.dropped.fetch_add(number, Ordering::Relaxed);
        }
    }
}

impl Journey {
    /// The journey and its stages as spans; none where its message has no trace.
    fn told(self, around: Option<u64>) -> Option<Vec<Traced>> {
        let trace = self.message.trace?;
        let first = first(trace);
        let span = if self.name == FIRST { first } else { self.span };
        // A message receipt is made where the message is opened, and begins with its first attempt.
        let below = Some(first).filter(|first| *first != span && self.name != "send" && !self.message.receipt);
        let took = nanoseconds(self.begun.1.elapsed());
        let one = Traced {
            trace,
            span,
            parent: around.or(below),
            name: self.name.to_owned(),
            begun: self.begun.0,
            ended: self.begun.0.saturating_add(took),
            failed: self.stages.iter().any(|stage| !stage.ok),
            facts: self.message.facts,
        };
        let stages = self.stages.into_iter().map(|stage| Traced {
            trace,
            span: random(),
            parent: Some(span),
            name: stage.stage.unwrap_or_default(),
            begun: stage.begun,
            ended: stage.begun.saturating_add(stage.took),
            failed: !stage.ok,
            facts: Vec::new(),
        });
        Some(std::iter::once(one).chain(stages).collect())
    }
}

/// The id of the span that begins a trace: every process of the journey makes the same of it.
fn first(trace: u128) -> u64 {
    ((trace >> 64) as u64 ^ trace as u64).max(1)
}

/// An id that nobody else has.
fn random() -> u64 {
    RandomState::new().build_hasher().finish().max(1)
}

#[cfg(test)]
mod tests {
    use super::{Spans, Traced, stage_of, traces};
    use crate::model::{Carriage, Direction, DocumentType, EnvelopeId, Enveloped, Message, ProcessId, Timestamp};
    use crate::ops::log::{Work, journey, name};
    use tracing_subscriber::layer::SubscriberExt;

    const ENVELOPE: &str = "8f6b1c52-5ad1-4b7f-9d2e-6f1a2b3c4d02";

    fn message(document_type: DocumentType) -> Message {
        let of = Enveloped {
            id: ENVELOPE.parse::<EnvelopeId>().unwrap(),
            from: "0203:a.se".parse().unwrap(),
            to: "0203:b.se".parse().unwrap(),
            document_type,
            process: ProcessId::default(),
            envelope: None,
            bytes: 1,
            sha256: String::new(),
        };
        Message::new(Direction::Out, Carriage::Own, of, Timestamp::UNIX_EPOCH)
    }

    /// What is traced of these journeys of a message, where so many may wait.
    fn traced(waiting: usize, message: &Message, journeys: &[Work]) -> (Vec<Vec<Traced>>, Spans) {
        let (tracing, mut spans) = traces(waiting);
        let subscriber = tracing_subscriber::registry().with(tracing.layer());
        tracing::subscriber::with_default(subscriber, || {
            for work in journeys {
                let span = journey(*work);
                span.in_scope(|| {
                    assert!(stage_of("seal", || Ok::<_, ()>(())).is_ok());
                    assert!(stage_of("discover", || Err::<(), _>(())).is_err());
                });
                name(&span, message);
            }
            // Nobody knows whose this was.
            drop(journey(Work::Receive));
        });
        let all = std::iter::from_fn(|| spans.taken.try_recv().ok()).collect();
        (all, spans)
    }

    #[test]
    fn a_journey_and_its_stages_are_spans_of_the_trace_of_its_envelope() {
        let (all, spans) = traced(9, &message(DocumentType::sdk_message()), &[Work::Submit, Work::Deliver]);
        let [submit, deliver] = &all[..] else { panic!("{all:?}") };
        let names: Vec<&str> = submit.iter().map(|span| span.name.as_str()).collect();
        assert_eq!(names, ["submit", "seal", "discover"]);
        assert!(all.iter().flatten().all(|span| span.trace == ENVELOPE.parse::<uuid::Uuid>().unwrap().as_u128()));
        assert_eq!((submit[0].parent, deliver[0].parent), (None, Some(submit[0].span)));
        for one in [submit, deliver] {
            assert!(one[1..].iter().all(|stage| stage.parent == Some(one[0].span)));
            assert!(one[1..].iter().all(|stage| stage.begun >= one[0].begun && stage.ended <= one[0].ended), "{one:?}");
            assert_eq!(one.iter().map(|span| span.failed).collect::<Vec<_>>(), [true, false, true]);
        }
        assert!(submit[0].facts.contains(&("sluss.envelope_id", ENVELOPE.to_owned())), "{submit:?}");
        assert_eq!(spans.dropped(), 0);
    }

    #[test]
    fn a_message_receipt_begins_with_its_first_attempt() {
        let (all, _) = traced(9, &message(DocumentType::message_receipt()), &[Work::Attempt]);
        assert_eq!(all[0][0].parent, None);
    }

    #[test]
    fn what_nobody_takes_is_dropped_and_counted() {
        let (all, spans) = traced(1, &message(DocumentType::sdk_message()), &[Work::Attempt, Work::Attempt]);
        assert_eq!((all.len(), spans.dropped(), spans.dropped()), (1, 3, 0));
    }
}
