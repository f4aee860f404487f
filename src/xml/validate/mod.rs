//! Structure against a schema, while a document is read: order, cardinality, types and attributes as
//! XML Schema 1.0 has them, from tables that each format writes for itself. Content models are
//! sequences and choices of elements and wildcards: that is all that XHE, XML Signature, the SDK
//! message and the message receipt need. Memory does not grow with the document.

mod trail;
mod value;

pub use trail::Trail;
pub use value::{Value, clip, is_blank, is_space};

use super::{Event, Start};
use smol_str::SmolStr;
use std::collections::BTreeSet;
use value::Reading;

/// The namespace of `xsi:type`, `xsi:nil` and `xsi:schemaLocation`.
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// The namespace of XML Schema's own types.
const XSD: &str = "http://www.w3.org/2001/XMLSchema";

/// Most violations kept of one document.
const VIOLATIONS_MAX: usize = 32;
/// Most values of type ID kept of one document.
const IDS_MAX: usize = 10_000;

/// The global elements of a schema; the first is the document element.
#[derive(Debug)]
pub struct Schema {
    /// Global elements.
    pub elements: &'static [Element],
}

/// A declared element.
#[derive(Clone, Copy, Debug)]
pub struct Element {
    /// Namespace name.
    pub ns: &'static str,
    /// Local name.
    pub local: &'static str,
    /// Its type.
    pub kind: &'static Type,
}

/// A type.
#[derive(Debug)]
pub struct Type {
    /// Attributes without a namespace.
    pub attributes: &'static [Attribute],
    /// Content.
    pub content: Content,
    /// Whether text may stand between elements.
    pub mixed: bool,
}

/// An attribute of a type.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// Name.
    pub name: &'static str,
    /// Type.
    pub value: Value,
    /// Whether it must be there.
    pub required: bool,
}

/// A content model.
#[derive(Clone, Copy, Debug)]
pub enum Content {
    /// Text of a simple type of XML Schema.
    Simple(Value),
    /// Text of a complex type that the schema derives from one, with or without attributes.
    Derived(Value),
    /// Particles in order.
    Sequence(&'static [Particle]),
    /// Any of the particles, in any order, between so many and so many in all.
    Choice(&'static [Particle], u32, u32),
}

/// An element or wildcard and how often it may stand.
#[derive(Clone, Copy, Debug)]
pub struct Particle {
    /// What.
    pub term: Term,
    /// At least.
    pub min: u32,
    /// At most.
    pub max: u32,
}

/// What a particle stands for.
#[derive(Clone, Copy, Debug)]
pub enum Term {
    /// An element.
    Element(Element),
    /// An element of another namespace than this one (and of some namespace), as XML Schema's `##other`.
    Other(&'static str, Process),
    /// Any element.
    Any(Process),
}

/// How the content of a wildcard is looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Process {
    /// As declared where there is a declaration.
    Lax,
    /// There must be a declaration.
    Strict,
}

/// Without an upper bound.
pub const UNBOUNDED: u32 = u32::MAX;

/// A particle for an element.
pub const fn element(ns: &'static str, local: &'static str, kind: &'static Type, min: u32, max: u32) -> Particle {
    Particle { term: Term::Element(Element { ns, local, kind }), min, max }
}

/// Elements of other namespaces, as many as there are.
pub const fn others(than: &'static str) -> Particle {
    Particle { term: Term::Other(than, Process::Lax), min: 0, max: UNBOUNDED }
}

/// A type of text only.
pub const fn simple(value: Value) -> Type {
    Type { attributes: &[], content: Content::Simple(value), mixed: false }
}

/// A type of particles in order.
pub const fn sequence(particles: &'static [Particle]) -> Type {
    Type { attributes: &[], content: Content::Sequence(particles), mixed: false }
}

/// Something that the schema does not allow.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// Where, as [`Trail::path`] says it.
    pub path: String,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

#[derive(Debug)]
enum Model {
    /// By a type: which particle, and how often it stood.
    Typed { kind: &'static Type, at: usize, count: u32 },
    /// A simple type named by `xsi:type` where nothing is declared.
    Named,
    /// Nothing is declared.
    Undeclared,
}

#[derive(Debug)]
struct Frame {
    model: Model,
    reading: Option<Reading>,
    declarations: Vec<(SmolStr, SmolStr)>,
    /// A fault of order or of text was reported; further ones here would only repeat it.
    faulty: bool,
}

/// Checks a document, event by event.
#[derive(Debug)]
pub struct Validator {
    schema: &'static Schema,
    frames: Vec<Frame>,
    trail: Trail,
    ids: BTreeSet<String>,
    violations: Vec<Violation>,
}

impl Validator {
    /// For one document.
    pub fn new(schema: &'static Schema) -> Self {
        Self { schema, frames: Vec::new(), trail: Trail::default(), ids: BTreeSet::new(), violations: Vec::new() }
    }

    /// Where the reading is. After a start tag the new element is the innermost.
    pub fn trail(&self) -> &Trail {
        &self.trail
    }

    /// What was found so far.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Takes one event.
    pub fn event(&mut self, event: &Event) {
        match event {
            Event::Start(start) => self.start(start),
            Event::Text(text) => self.text(text),
            Event::End => self.end(),
            Event::Comment(_) | Event::Instruction { .. } | Event::Eof => {}
        }
    }

    fn report(&mut self, found: impl Into<String>, expected: impl Into<String>) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(Violation { path: self.trail.path(), found: found.into(), expected: expected.into() });
        }
    }

    fn start(&mut self, start: &Start) {
        let declared = self.place(start);
        self.trail.push(start);
        let model = match declared {
            Some(kind) => Model::Typed { kind, at: 0, count: 0 },
            None => Model::Undeclared,
        };
        self.frames.push(Frame { model, reading: None, declarations: start.declarations.clone(), faulty: false });
        let named = start.attribute(XSI, "type").map(str::to_owned);
        match declared {
            Some(kind) => self.typed(kind, start, named.as_deref()),
            None if named.is_some() => self.named(start, named.as_deref().unwrap_or_default()),
            None => {}
        }
    }

    /// Finds the declaration of a child in its parent's model, and moves the model on.
    fn place(&mut self, start: &Start) -> Option<&'static Type> {
        let schema = self.schema;
        let Some(frame) = self.frames.last_mut() else {
            let root = &schema.elements[0];
            if start.is(root.ns, root.local) {
                return Some(root.kind);
            }
            self.report(format!("document element {}", name(&start.ns, &start.local)), name(root.ns, root.local));
            return None;
        };
        let (kind, at, count) = match &mut frame.model {
            Model::Typed { kind, at, count } => (*kind, at, count),
            Model::Named => {
                if !std::mem::replace(&mut frame.faulty, true) {
                    self.report(format!("element {}", start.local), "text only");
                }
                return None;
            }
            Model::Undeclared => return schema.global(start),
        };
        let step = match kind.content {
            Content::Simple(_) | Content::Derived(_) => Err("text only".to_owned()),
            Content::Sequence(particles) => follow(particles, at, count, start),
            Content::Choice(particles, _, max) => choose(particles, max, count, start),
        };
        match step {
            Ok(Term::Element(element)) => Some(element.kind),
            Ok(Term::Other(_, process) | Term::Any(process)) => {
                let found = schema.global(start);
                if found.is_none() && process == Process::Strict {
                    self.report(
                        format!("element {}", name(&start.ns, &start.local)),
                        "an element that the schema declares",
                    );
                }
                found
            }
            Err(expected) => {
                if !std::mem::replace(&mut frame.faulty, true) {
                    self.report(format!("element {}", name(&start.ns, &start.local)), expected);
                }
                None
            }
        }
    }

    /// Attributes and the reading of the value of an element with a declared type.
    fn typed(&mut self, kind: &'static Type, start: &Start, named: Option<&str>) {
        if start.attribute(XSI, "nil").is_some() {
            self.report("attribute xsi:nil", "no such attribute");
        }
        let mut value = match kind.content {
            Content::Simple(value) | Content::Derived(value) => Some(value),
            _ => None,
        };
        if let Some(named) = named {
            value = self.substitute(kind, value, named);
        }
        for attribute in &start.attributes {
            if attribute.ns == XSI
                && ["type", "nil", "schemaLocation", "noNamespaceSchemaLocation"].contains(&attribute.local.as_str())
            {
                continue;
            }
            let declared = kind.attributes.iter().find(|a| attribute.ns.is_empty() && a.name == attribute.local);
            match declared {
                Some(declared) => self.attribute(declared, &attribute.value),
                None => self.report(format!("attribute {}", attribute.local), "no such attribute"),
            }
        }
        for declared in kind.attributes.iter().filter(|a| a.required && start.attribute("", a.name).is_none()) {
            self.report("no such attribute", format!("attribute {}", declared.name));
        }
        if let (Some(frame), Some(value)) = (self.frames.last_mut(), value) {
            frame.reading = Some(Reading::new(value));
        }
    }

    fn attribute(&mut self, declared: &Attribute, text: &str) {
        let text = match declared.value {
            Value::Text | Value::TextMax(_) => text,
            _ => text.trim_matches(is_space),
        };
        if !declared.value.takes(text) {
            self.report(format!("{}=\"{}\"", declared.name, clip(text)), declared.value.name());
        } else if declared.value == Value::Id {
            self.id(text);
        }
    }

    fn id(&mut self, text: &str) {
        if self.ids.len() < IDS_MAX && !self.ids.insert(text.to_owned()) {
            self.report(format!("the id {} a second time", clip(text)), "an id of its own");
        }
    }

    /// The value type after `xsi:type` on a declared element; reports one that is not derived from the declared type.
    fn substitute(&mut self, kind: &'static Type, value: Option<Value>, named: &str) -> Option<Value> {
        let (ns, local) = self.resolve(named);
        let derived = match kind.content {
            Content::Simple(Value::Text) => ns == XSD && ["string", "normalizedString", "token"].contains(&local),
            Content::Simple(Value::TextMax(_)) => false,
            Content::Simple(value) => ns == XSD && value.name() == local,
            _ => false,
        };
        if !derived {
            self.report(format!("xsi:type {}", clip(named)), "a type that the schema allows here");
        }
        value
    }

    /// `xsi:type` on an element that nothing declares.
    fn named(&mut self, start: &Start, named: &str) {
        let (ns, local) = self.resolve(named);
        let value = if ns == XSD { Value::from_name(local) } else { None };
        let any = ns == XSD && local == "anyType";
        if value.is_none() && !any {
            self.report(format!("xsi:type {}", clip(named)), "a type that the schema knows");
        }
        let Some(value) = value else { return };
        if start.attributes.iter().any(|a| a.ns != XSI) {
            self.report("an attribute", "no attribute on a value of a simple type");
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.model = Model::Named;
            frame.reading = Some(Reading::new(value));
        }
    }

    /// Namespace name and local name of a QName in content.
    fn resolve<'n>(&self, named: &'n str) -> (&str, &'n str) {
        let (prefix, local) =
            named.trim_matches(is_space).split_once(':').unwrap_or(("", named.trim_matches(is_space)));
        let ns = self.frames.iter().rev().flat_map(|f| f.declarations.iter().rev()).find(|(p, _)| p == prefix);
        (ns.map_or("", |(_, ns)| ns), local)
    }

    fn text(&mut self, text: &str) {
        let Some(frame) = self.frames.last_mut() else { return };
        if let Some(reading) = &mut frame.reading {
            reading.push(text);
            return;
        }
        let elements_only = matches!(frame.model, Model::Typed { kind, .. } if !kind.mixed);
        if elements_only && !frame.faulty && !is_blank(text) {
            frame.faulty = true;
            self.report("text", "elements only");
        }
    }

    fn end(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        if let Some(reading) = &frame.reading {
            if let Some((found, expected)) = reading.fault() {
                self.report(found, expected);
            } else if let Model::Typed { kind: Type { content: Content::Simple(Value::Id), .. }, .. } = frame.model {
                self.id(reading.text());
            }
        }
        if let (Model::Typed { kind, at, count }, false) = (&frame.model, frame.faulty)
            && let Some(missing) = kind.content.missing(*at, *count)
        {
            self.report("nothing", missing);
        }
        self.trail.pop();
    }
}

impl Schema {
    fn global(&self, start: &Start) -> Option<&'static Type> {
        self.elements.iter().find(|e| start.is(e.ns, e.local)).map(|e| e.kind)
    }
}

impl Particle {
    fn takes(&self, start: &Start) -> bool {
        match self.term {
            Term::Element(element) => start.is(element.ns, element.local),
            Term::Other(ns, _) => !start.ns.is_empty() && start.ns != ns,
            Term::Any(_) => true,
        }
    }

    fn says(&self) -> String {
        match self.term {
            Term::Element(element) => element.local.to_owned(),
            Term::Other(..) => "an element of another namespace".to_owned(),
            Term::Any(_) => "an element".to_owned(),
        }
    }
}

impl Content {
    /// What is missing at the end, if anything.
    fn missing(&self, at: usize, count: u32) -> Option<String> {
        match *self {
            Self::Simple(_) | Self::Derived(_) => None,
            Self::Sequence(particles) => {
                let mut seen = count;
                particles.iter().skip(at).find_map(|particle| {
                    let lacks = std::mem::take(&mut seen) < particle.min;
                    lacks.then(|| particle.says())
                })
            }
            Self::Choice(particles, min, _) => (count < min).then(|| alternatives(particles)),
        }
    }
}

/// Moves on in a sequence, greedily: the schemas in use are unambiguous.
fn follow(particles: &'static [Particle], at: &mut usize, count: &mut u32, start: &Start) -> Result<Term, String> {
    let mut expected = Vec::new();
    let (mut place, mut seen) = (*at, *count);
    while let Some(particle) = particles.get(place) {
        if seen < particle.max && particle.takes(start) {
            (*at, *count) = (place, seen + 1);
            return Ok(particle.term);
        }
        if seen < particle.max {
            expected.push(particle.says());
        }
        if seen < particle.min {
            break;
        }
        (place, seen) = (place + 1, 0);
    }
    Err(if expected.is_empty() { "no further element".to_owned() } else { expected.join(" or ") })
}

fn choose(particles: &'static [Particle], max: u32, count: &mut u32, start: &Start) -> Result<Term, String> {
    let found = particles.iter().find(|particle| *count < max && particle.takes(start));
    match found {
        Some(particle) => {
            *count = count.saturating_add(1);
            Ok(particle.term)
        }
        None if *count >= max => Err("no further element".to_owned()),
        None => Err(alternatives(particles)),
    }
}

fn alternatives(particles: &[Particle]) -> String {
    particles.iter().map(Particle::says).collect::<Vec<_>>().join(" or ")
}

fn name(ns: &str, local: &str) -> String {
    clip(&if ns.is_empty() { local.to_owned() } else { format!("Q{{{ns}}}{local}") })
}
