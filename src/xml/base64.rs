//! Base64 of long texts, which come in pieces with white space among them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Decodes Base64 piece by piece. White space of XML is passed over; padding ends the text.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Characters that wait for their group of four.
    waiting: Vec<u8>,
    octets: Vec<u8>,
    ended: bool,
    faulty: bool,
}

impl Decoder {
    /// Takes a piece and gives the octets that are ready. After a fault nothing more comes.
    pub fn push(&mut self, piece: &str) -> &[u8] {
        self.octets.clear();
        self.waiting.extend(piece.bytes().filter(|b| !b.is_ascii_whitespace()));
        let whole = self.waiting.len() / 4 * 4;
        self.faulty |= self.ended && !self.waiting.is_empty();
        if whole == 0 || self.faulty {
            return &self.octets;
        }
        // Padding may stand at the very end only: the engine refuses it elsewhere, and nothing may follow it.
        self.ended = self.waiting[whole - 1] == b'=';
        self.faulty = STANDARD.decode_vec(&self.waiting[..whole], &mut self.octets).is_err();
        self.waiting.drain(..whole);
        if self.faulty {
            self.octets.clear();
        }
        &self.octets
    }

    /// Whether all that came was Base64, with whole groups.
    pub fn is_complete(&self) -> bool {
        !self.faulty && self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::Decoder;

    fn decode(pieces: &[&str]) -> Option<Vec<u8>> {
        let mut decoder = Decoder::default();
        let mut octets = Vec::new();
        for piece in pieces {
            octets.extend_from_slice(decoder.push(piece));
        }
        decoder.is_complete().then_some(octets)
    }

    #[test]
    fn pieces_may_end_anywhere() {
        assert_eq!(decode(&["QU", "JD", "\n R", "A", "==", "  "]).unwrap(), b"ABCD");
        assert_eq!(decode(&[]).unwrap(), b"");
    }

    #[test]
    fn nothing_may_follow_the_padding_and_groups_are_whole() {
        for faulty in
            [&["QUJD", "RA=="[..3].as_ref()][..], &["RA==", "QUJD"], &["RA==QUJD"], &["Q!JD"], &["QUJ"], &["===="]]
        {
            assert_eq!(decode(faulty), None, "{faulty:?}");
        }
    }
}
