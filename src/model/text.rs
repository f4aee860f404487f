//! Text of strangers, made fit for logs, events and answers.

/// The text without what does not stand where it is read: control characters, and format characters (Unicode Cc, Cf, Zl and Zp), which
/// turn the direction of writing, join, or are not seen at all. A line feed may stay where lines may.
pub fn visible(text: String, lines: bool) -> String {
    let hides = |c: char| is_hidden(c) && !(lines && c == '\n');
    if text.contains(hides) { text.chars().filter(|c| !hides(*c)).collect() } else { text }
}

/// Whether this is a control or format character, or a separator of lines or paragraphs.
pub fn is_hidden(c: char) -> bool {
    c.is_control() || FORMAT.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

/// Unicode 16, general categories Cf, Zl and Zp.
const FORMAT: [(char, char); 21] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{180e}', '\u{180e}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{2064}'),
    ('\u{2066}', '\u{206f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{fff9}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0001}', '\u{e0001}'),
    ('\u{e0020}', '\u{e007f}'),
];

#[cfg(test)]
mod tests {
    use super::visible;
    use crate::model::{Event, Fault, Problem, Stage, Timestamp};

    const STRANGE: &str = "å\u{202e}b\u{200b}\u{7}\n\u{e0041}c\u{2066}";

    #[test]
    fn what_is_not_seen_is_taken_out_and_the_rest_stays() {
        assert_eq!(visible(STRANGE.into(), false), "åbc");
        assert_eq!(visible(STRANGE.into(), true), "åb\nc");
        assert_eq!(visible("Ärende 1".into(), false), "Ärende 1");
    }

    #[test]
    fn no_event_and_no_problem_brings_it_further() {
        let problem = Problem::new(Fault::Refused, "kind", STRANGE, STRANGE);
        assert_eq!((problem.title.as_str(), problem.detail.as_str()), ("åbc", "åb\nc"));
        let event = Event::new(Timestamp::UNIX_EPOCH, None, Stage::Refused, STRANGE).fact("claimed_from", STRANGE);
        assert_eq!((event.detail.as_str(), event.facts["claimed_from"].as_str()), ("åb\nc", "åbc"));
    }
}
