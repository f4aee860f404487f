//! A log line as one JSON object, whose facts and problem are objects as well; and the ids of a span in lines for people, each once.

use serde::Serializer;
use serde::ser::SerializeMap;
use serde_json::Value;
use std::fmt;
use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// A value of a log line that is text for people and structured for programs. Fields of a line are told apart by nothing but how they
/// are written: `{:?}` is the text, `{:#?}` the JSON.
pub(super) struct Structured<T> {
    pub(super) text: T,
    pub(super) json: Value,
}

impl<T: fmt::Debug> fmt::Debug for Structured<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { write!(f, "{}", self.json) } else { self.text.fmt(f) }
    }
}

/// Writes the fields of a span as text. One that is recorded again, as an id that a later stage names once more, stands there once.
#[derive(Default)]
pub(super) struct TextFields(DefaultFields);

impl<'a> FormatFields<'a> for TextFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'a>, fields: R) -> fmt::Result {
        self.0.format_fields(writer, fields)
    }

    fn add_fields(&self, current: &'a mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        let known = current.fields.len();
        if known > 0 {
            current.fields.push(' ');
        }
        let from = current.fields.len();
        self.0.format_fields(current.as_writer(), fields)?;
        let (before, added) = current.fields.split_at(from);
        if format!(" {before}").contains(&format!(" {added} ")) {
            current.fields.truncate(known);
        }
        Ok(())
    }
}

/// Writes lines of JSON.
pub(super) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut fields = Fields(vec![("timestamp", time.into()), ("level", event.metadata().level().as_str().into())]);
        event.record(&mut fields);
        if let Some(span) = context.lookup_current() {
            let extensions = span.extensions();
            let known = extensions.get::<FormattedFields<N>>().map_or("", |fields| fields.fields.as_str());
            let mut about: Value =
                serde_json::from_str(known).unwrap_or_else(|_| Value::Object(serde_json::Map::new()));
            about["name"] = span.name().into();
            fields.0.push(("span", about));
        }
        writeln!(writer, "{}", fields.line().map_err(|_| fmt::Error)?)
    }
}

/// The fields of a line, in order.
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn line(&self) -> serde_json::Result<String> {
        let mut line = Vec::new();
        let mut serializer = serde_json::Serializer::new(&mut line);
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        self.0.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
        map.end()?;
        Ok(String::from_utf8_lossy(&line).into_owned())
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.into()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.push((field.name(), value.into()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.push((field.name(), value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.push((field.name(), value.into()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.push((field.name(), value.into()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = match field.name() {
            "facts" | "problem" => {
                let json = format!("{value:#?}");
                serde_json::from_str(&json).unwrap_or_else(|_| Value::String(format!("{value:?}")))
            }
            _ => Value::String(format!("{value:?}")),
        };
        self.0.push((field.name(), value));
    }
}

#[cfg(test)]
mod tests {
    use super::JsonLines;
    use crate::model::{Event, Fault, MessageId, Problem, Stage, Timestamp};
    use crate::ops::log;
    use serde_json::Value;
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::fmt::format::JsonFields;
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is logged of an event, as JSON or as text.
    fn logged(event: &Event, json: bool) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
        let tell = || log::journey(log::Work::Attempt).in_scope(|| log::event(event));
        if json {
            let layer = layer.fmt_fields(JsonFields::new()).event_format(JsonLines);
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), tell);
        } else {
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), tell);
        }
        let text = kept.0.lock().unwrap();
        String::from_utf8(text.clone()).unwrap()
    }

    #[test]
    fn an_id_that_is_named_again_stands_once_in_a_line_for_people() {
        let line = |ansi| {
            let kept = Kept::default();
            let writer = kept.clone();
            let layer = tracing_subscriber::fmt::layer().with_ansi(ansi).with_writer(move || writer.clone());
            let layer = layer.fmt_fields(super::TextFields::default());
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
                let span = log::journey(log::Work::Attempt);
                for (name, id) in
                    [("message_id", "1"), ("message_id", "1"), ("as4_message_id", "1@us"), ("message_id", "1")]
                {
                    span.record(name, id);
                }
                span.in_scope(|| tracing::info!("sent"));
            });
            let line = kept.0.lock().unwrap().clone();
            String::from_utf8(line).unwrap()
        };
        let plain = line(false);
        assert!(plain.contains("attempt{message_id=\"1\" as4_message_id=\"1@us\"}: "), "{plain}");
        let coloured = line(true);
        assert_eq!(coloured.matches("\u{1b}[3mmessage_id").count(), 1, "{coloured:?}");
        assert!(coloured.contains("\u{1b}[3mas4_message_id"), "{coloured:?}");
    }

    #[test]
    fn facts_and_problem_are_objects_whatever_they_hold_and_text_for_people_stays() {
        let subject = "CN=AP0002, O=\"Ankeborg\" = kommun";
        let problem =
            Problem::new(Fault::Temporary, "smp-unreachable", "no answer", "found a, expected b").rule("AP-1");
        let id = MessageId::now();
        let event = Event::new(Timestamp::UNIX_EPOCH, Some(id), Stage::AttemptFailed, "it \"failed\"")
            .fact("subject", subject)
            .fact("signature", "ab".repeat(384))
            .fact("attempt", 1)
            .problem(problem);
        let line: Value = serde_json::from_str(&logged(&event, true)).unwrap();
        assert_eq!(line["facts"], serde_json::json!({ "subject": subject, "attempt": "1" }));
        assert_eq!((&line["problem"]["rule"], &line["problem"]["title"]), (&"AP-1".into(), &"no answer".into()));
        assert_eq!((&line["level"], &line["stage"]), (&"WARN".into(), &"attempt-failed".into()));
        assert_eq!((&line["message"], &line["message_id"]), (&"it \"failed\"".into(), &id.to_string().into()));
        assert_eq!(line["span"]["name"], "attempt");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
        let text = logged(&event, false);
        assert!(text.contains("facts=\"attempt=1 subject=CN=AP0002") && text.contains("found a, expected b"), "{text}");
        assert!(!text.contains("abab"), "{text}");
    }
}
