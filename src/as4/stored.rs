//! A gzip file of stored blocks (RFC 1951, 3.2.4; RFC 1952): the wrapper that a peer wants, around what does not shrink. A
//! compressor at its lowest level writes the same, and clears a third of a megabyte of tables first.

use std::io::{self, Read, Write};

/// What a stored block holds, in bytes: half of what it may, so that the buffer is a small one to the allocator.
const BLOCK_BYTES: usize = 0x8000;

/// A file without name, time and system: its header.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// Wraps what `content` gives.
///
/// # Errors
///
/// When it cannot be read, or `out` does not take it.
pub(super) fn gzip(content: &mut dyn Read, out: &mut dyn Write) -> io::Result<()> {
    let (mut sum, mut block) = (flate2::Crc::new(), Vec::with_capacity(BLOCK_BYTES));
    out.write_all(&HEADER)?;
    loop {
        block.clear();
        content.take(BLOCK_BYTES as u64).read_to_end(&mut block)?;
        let last = block.len() < BLOCK_BYTES;
        let [low, high] = u16::try_from(block.len()).map_err(io::Error::other)?.to_le_bytes();
        out.write_all(&[u8::from(last), low, high, !low, !high])?;
        out.write_all(&block)?;
        sum.update(&block);
        if last {
            break;
        }
    }
    out.write_all(&sum.sum().to_le_bytes())?;
    out.write_all(&sum.amount().to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;

    #[test]
    fn what_is_wrapped_comes_out_again_at_every_edge_of_a_block() {
        for length in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES] {
            let content: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            let (mut packed, mut unpacked) = (Vec::new(), Vec::new());
            // A source that gives little at a time makes no more blocks of it.
            let (front, back) = content.split_at(length / 3);
            gzip(&mut front.chain(back), &mut packed).unwrap();
            GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
            assert_eq!(unpacked, content);
            assert_eq!(packed.len(), 18 + length + 5 * (length / BLOCK_BYTES + 1));
        }
    }

    #[test]
    fn a_source_that_fails_makes_no_file() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        let failed = gzip(&mut Broken, &mut Vec::new()).unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::BrokenPipe);
    }
}
