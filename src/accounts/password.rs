//! What a password has to be, and how it is made comparable.

use crate::crypto::{CryptoError, SystemRandom, hash_password, password_matches};
use crate::model::{Fault, Problem};
use unicode_normalization::UnicodeNormalization;

/// Shortest password, in characters: NIST SP 800-63B-4, 3.1.1.2, for a password without a second factor.
const CHARS_LEAST: usize = 15;
/// Longest, in characters: a bound for what is normalised and hashed, far beyond what is typed.
const CHARS_MAX: usize = 1024;

/// A password in its normal form (RFC 8265, OpaqueString): the same whichever keyboard and system it was typed on. Prints nothing
/// of itself.
pub struct Password(String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

impl Password {
    /// A password that was typed to log in; `None` for one that nobody can have.
    pub fn typed(text: &str) -> Option<Self> {
        (!text.is_empty() && text.chars().count() <= CHARS_MAX).then(|| Self(normal(text)))
    }

    /// A new password for an account.
    ///
    /// # Errors
    ///
    /// What is wrong with it, never itself.
    pub fn chosen(text: &str, account: &str) -> Result<Self, Problem> {
        let wrong = |found: String, expected: &str| {
            Err(Problem::new(
                Fault::Usage,
                "password",
                "the password cannot be used",
                format!("found {found}, expected {expected}"),
            ))
        };
        let normal = normal(text);
        let length = normal.chars().count();
        if length > CHARS_MAX {
            return wrong(format!("more than {CHARS_MAX} characters"), "a shorter one");
        }
        if length < CHARS_LEAST {
            return wrong(
                format!("{length} characters"),
                &format!("at least {CHARS_LEAST}: some words with spaces between them are easily remembered"),
            );
        }
        if normal.chars().any(char::is_control) {
            return wrong("line breaks or control characters".into(), "one line");
        }
        let distinct: std::collections::BTreeSet<char> = normal.chars().collect();
        if distinct.len() < 5 {
            return wrong("the same few characters again and again".into(), "at least 5 different ones");
        }
        if normal.to_lowercase().replace(account, "").chars().count() < CHARS_LEAST / 2 {
            return wrong("little more than the name of the account".into(), "something that others do not guess");
        }
        Ok(Self(normal))
    }

    /// Its Argon2id hash, as a PHC string.
    ///
    /// # Errors
    ///
    /// As [`hash_password`].
    pub fn hash(&self) -> Result<String, CryptoError> {
        hash_password(self.0.as_bytes(), &SystemRandom)
    }

    /// Whether it has this hash.
    pub fn matches(&self, phc: &str) -> bool {
        password_matches(self.0.as_bytes(), phc)
    }
}

/// Composed characters, and one kind of space (RFC 8265, 4.2.1).
fn normal(text: &str) -> String {
    text.chars().map(|c| if c.is_whitespace() && !c.is_control() { ' ' } else { c }).nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_long_varied_and_not_the_name() {
        for (text, part) in [
            ("kort lösen", "10 characters"),
            ("aaaaaaaaaaaaaaaaaaaaaa", "different"),
            ("kim.ek kim.ek kim.ek", "name of the account"),
            ("häst batteri\nklammer", "line breaks"),
        ] {
            let problem = Password::chosen(text, "kim.ek").unwrap_err();
            assert!(problem.detail.contains(part), "{text}: {problem}");
            assert!(!problem.to_string().contains(text), "the password is not in the problem");
        }
        for text in ["häst batteri klammer", &"lång mening utan slut ".repeat(40)] {
            assert!(Password::chosen(text, "kim.ek").is_ok());
        }
        assert!(Password::typed(&"x".repeat(2000)).is_none() && Password::typed("").is_none());
    }

    #[test]
    fn a_password_is_the_same_whichever_way_its_letters_are_composed() {
        let hash = Password::chosen("ha\u{308}st batteri\u{a0}klammer", "kim").unwrap().hash().unwrap();
        assert!(Password::typed("h\u{e4}st batteri klammer").unwrap().matches(&hash));
        assert!(!Password::typed("hast batteri klammer").unwrap().matches(&hash));
    }
}
