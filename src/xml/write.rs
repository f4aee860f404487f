//! Writing XML by hand, safely: escaping of text and attribute values.

/// Escapes text as Canonical XML does, so that what is written is already canonical.
pub fn text(_value: &str) -> String { todo!() }
/// Escapes an attribute value as Canonical XML does.
pub fn attribute(_value: &str) -> String { todo!() }
