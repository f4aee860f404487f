//! The languages of people: Swedish and English.

use serde::Deserialize;

/// A language of the interfaces.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    /// Swedish: what clerks read.
    #[default]
    Sv,
    /// English.
    En,
}

impl Lang {
    /// The code for HTML and cookies.
    pub fn code(self) -> &'static str {
        self.pick("sv", "en")
    }

    /// The other one.
    pub fn other(self) -> Self {
        self.pick(Self::En, Self::Sv)
    }

    /// By its code.
    pub fn of_code(code: &str) -> Option<Self> {
        match code {
            "sv" => Some(Self::Sv),
            "en" => Some(Self::En),
            _ => None,
        }
    }

    /// The first of an Accept-Language header that we have. Weights are left out: browsers write the
    /// languages in their order.
    pub fn of_header(header: &str) -> Option<Self> {
        let tags = header.split(',').filter_map(|tag| tag.trim().get(..2));
        tags.filter_map(|tag| Self::of_code(&tag.to_ascii_lowercase())).next()
    }

    /// What is in this language, of both.
    pub fn pick<T>(self, sv: T, en: T) -> T {
        match self {
            Self::Sv => sv,
            Self::En => en,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lang;

    #[test]
    fn the_first_known_language_of_the_browser_is_taken() {
        for (header, lang) in [
            ("de-DE,de;q=0.9,en;q=0.8,sv;q=0.7", Some(Lang::En)),
            ("sv-SE", Some(Lang::Sv)),
            ("EN", Some(Lang::En)),
            ("å", None),
            ("", None),
            ("*", None),
        ] {
            assert_eq!(Lang::of_header(header), lang, "{header}");
        }
    }
}
