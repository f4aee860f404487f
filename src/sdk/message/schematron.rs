//! MessageConstraints.xml: MSG-SCH-1 to MSG-SCH-8. Its rules match wherever their elements stand, inside the
//! elements of others, too, so they are held against every element as it ends.

use super::{FUNCTION_ADDRESS, LABEL_CHARS_MAX};
use crate::model::Finding;
use crate::model::id::PARTICIPANT_SCHEME;
use crate::xml::ns::MSG;
use crate::xml::validate::{Trail, clip, is_blank};
use crate::xml::{Event, Start};

/// Longest value kept, in bytes. No rule accepts a longer one, but the label's, which counts.
const VALUE_BYTES_MAX: usize = 4 * 1024;
/// Most findings kept.
const FINDINGS_MAX: usize = 64;

/// The names whose values rules or readers ask for.
const KEPT: [&str; 13] = [
    "root",
    "extension",
    "creationDateTime",
    "messageId",
    "conversationId",
    "refToMessageId",
    "label",
    "confidentiality",
    "fileName",
    "contentType",
    "content",
    "documentName",
    "index",
];

/// What is known of an open element.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Its value, descendants' included, where it is kept, up to a bound.
    pub(super) text: Option<String>,
    chars: usize,
    first: Option<char>,
    has_text: bool,
    in_payload: bool,
    conversation_ids: u32,
}

/// Follows a document and applies the rules.
#[derive(Debug, Default)]
pub(super) struct Rules {
    nodes: Vec<Node>,
    pub(super) findings: Vec<Finding>,
}

impl Rules {
    /// Takes an event; `trail` is that of the validator, with the element of a start or end tag innermost.
    /// Gives the node that ended.
    pub(super) fn event(&mut self, event: &Event, trail: &Trail) -> Option<Node> {
        match event {
            Event::Start(start) => self.start(start),
            Event::Text(text) => self.text(text),
            Event::End => return self.end(trail),
            Event::Comment(_) | Event::Instruction { .. } | Event::Eof => {}
        }
        None
    }

    fn start(&mut self, start: &Start) {
        let own = start.ns == MSG;
        let mut in_payload = false;
        if let Some(parent) = self.nodes.last_mut() {
            in_payload = parent.in_payload;
            parent.conversation_ids += u32::from(own && start.local == "conversationId");
        }
        in_payload |= own && start.local == "messagePayload";
        let kept = own && KEPT.contains(&start.local.as_str());
        self.nodes.push(Node { text: kept.then(String::new), in_payload, ..Node::default() });
    }

    fn text(&mut self, text: &str) {
        let blank = is_blank(text);
        for node in &mut self.nodes {
            node.has_text |= !blank;
            let Some(kept) = &mut node.text else { continue };
            node.chars = node.chars.saturating_add(text.chars().count());
            if node.first.is_none() {
                node.first = text.chars().next();
            }
            let room = VALUE_BYTES_MAX.saturating_sub(kept.len());
            let cut = (0..=room.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            kept.push_str(&text[..cut]);
        }
    }

    fn end(&mut self, trail: &Trail) -> Option<Node> {
        let node = self.nodes.pop()?;
        let below = self.nodes.last().is_some_and(|parent| parent.in_payload);
        if below && !node.has_text {
            self.report("MSG-SCH-1", trail, "an empty element".into(), "a value");
        }
        if trail.ends_in(&[MSG]) {
            self.values(&node, trail);
        }
        Some(node)
    }

    fn report(&mut self, rule: &str, trail: &Trail, found: String, expected: &str) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding::error(rule, trail.path(), found, expected));
        }
    }

    fn values(&mut self, node: &Node, trail: &Trail) {
        let text = node.text.as_deref().unwrap_or_default();
        let below = |parents: &[&str]| {
            parents.iter().enumerate().all(|(up, parent)| trail.local(up + 1) == *parent)
                && trail.ends_in_all(MSG, parents.len() + 1)
        };
        match trail.local(0) {
            "messageHeader" if node.conversation_ids != 1 => {
                self.report("MSG-SCH-2", trail, format!("{} conversationId", node.conversation_ids), "one");
            }
            "root" if (below(&["recipientID"]) || below(&["senderID"])) && text != PARTICIPANT_SCHEME => {
                self.report("MSG-SCH-3", trail, clip(text), PARTICIPANT_SCHEME);
            }
            "root" if below(&["organizationId", "subOrganization"]) && text != FUNCTION_ADDRESS => {
                self.report("MSG-SCH-8", trail, clip(text), FUNCTION_ADDRESS);
            }
            "creationDateTime" if !is_timestamp(text) => {
                self.report("MSG-SCH-4", trail, clip(text), "YYYY-MM-DDThh:mm:ss.sssZ")
            }
            "messageId" | "conversationId" | "refToMessageId" if !is_uuid(text) => {
                self.report("MSG-SCH-5", trail, clip(text), "a UUID")
            }
            "label" if below(&["messageHeader"]) && node.chars > LABEL_CHARS_MAX => {
                self.report("MSG-SCH-6", trail, format!("{} characters", node.chars), "at most 256 characters");
            }
            "content"
                if below(&["ContentFiles"])
                    && !node.first.is_some_and(|c| c.is_ascii_alphanumeric() || c == '+' || c == '/') =>
            {
                self.report("MSG-SCH-7", trail, "another beginning".into(), "Base64");
            }
            _ => {}
        }
    }
}

/// `^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}.[0-9]{1,3}Z$`; the dot before the fraction is not escaped
/// there, so it takes any character but a line end (C-18).
fn is_timestamp(text: &str) -> bool {
    let chars: Vec<char> = text.chars().take(25).collect();
    let shape = "dddd-dd-ddTdd:dd:dd".chars();
    let fits =
        chars.len() >= 22 && chars.iter().zip(shape).all(|(c, s)| if s == 'd' { c.is_ascii_digit() } else { *c == s });
    let Some((last, fraction)) = chars.get(20..).and_then(|rest| rest.split_last()) else { return false };
    fits && !matches!(chars[19], '\n' | '\r')
        && *last == 'Z'
        && (1..=3).contains(&fraction.len())
        && fraction.iter().all(char::is_ascii_digit)
}

/// `^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`.
pub(super) fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|g| g.len()).eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}
