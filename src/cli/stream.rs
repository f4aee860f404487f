//! Octets on standard output: nothing of them before they are known to be good, as far as that can be.

use super::output::Output;
use super::unprinted;
use crate::model::Problem;
use std::io::{self, Seek, Write};

/// How much is held back before a stream begins, in bytes: more than anything short, and little beside the program itself.
const HELD_BYTES_MAX: usize = 256 * 1024;

/// Where octets go while they are made.
pub(super) enum Stream<W: Write> {
    /// The first of them are held back; what is longer flows, since memory is bounded.
    Flowing { held: Vec<u8>, begun: bool, out: W },
    /// All of them lie aside, since an error must be the only thing on standard output.
    Aside(tempfile::SpooledTempFile, W),
}

/// Has `make` write octets to standard output. What fails within the first 256 KiB leaves nothing there, and with
/// `--json` nothing that fails does.
pub(super) fn written(
    out: &Output,
    make: impl FnOnce(Stream<io::Stdout>) -> Result<Stream<io::Stdout>, Problem>,
) -> Result<u8, Problem> {
    make(Stream::new(out.is_json(), io::stdout()))?.finish().map_err(|error| unprinted(&error))?;
    Ok(0)
}

impl<W: Write> Stream<W> {
    fn new(whole: bool, out: W) -> Self {
        if whole {
            Self::Aside(tempfile::SpooledTempFile::new(HELD_BYTES_MAX), out)
        } else {
            Self::Flowing { held: Vec::with_capacity(HELD_BYTES_MAX), begun: false, out }
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Flowing { held, mut out, .. } => {
                out.write_all(&held)?;
                out.flush()
            }
            Self::Aside(mut spool, mut out) => {
                spool.rewind()?;
                io::copy(&mut spool, &mut out)?;
                out.flush()
            }
        }
    }
}

impl<W: Write> Write for Stream<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Aside(spool, _) => spool.write(bytes),
            Self::Flowing { held, begun, out } => {
                held.extend_from_slice(bytes);
                if held.len() >= if *begun { HELD_BYTES_MAX / 4 } else { HELD_BYTES_MAX } {
                    *begun = true;
                    out.write_all(held)?;
                    held.clear();
                }
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        // What is held back stays so until all is known.
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{HELD_BYTES_MAX, Stream};
    use std::io::Write;

    #[test]
    fn what_is_given_up_early_leaves_nothing() {
        for whole in [false, true] {
            let mut out = Vec::new();
            let mut stream = Stream::new(whole, &mut out);
            stream.write_all(b"<a>").unwrap();
            stream.flush().unwrap();
            drop(stream);
            assert!(out.is_empty());
        }
    }

    #[test]
    fn long_output_flows_unless_it_must_be_whole() {
        for (whole, flowed) in [(false, true), (true, false)] {
            let mut out = Vec::new();
            let mut stream = Stream::new(whole, &mut out);
            stream.write_all(&vec![b'a'; HELD_BYTES_MAX + 1]).unwrap();
            drop(stream);
            assert_eq!(!out.is_empty(), flowed);
        }
    }

    #[test]
    fn what_is_finished_is_there_whole() {
        let long: Vec<u8> = (0..3 * HELD_BYTES_MAX).map(|n| n as u8).collect();
        for whole in [false, true] {
            let mut out = Vec::new();
            let mut stream = Stream::new(whole, &mut out);
            long.chunks(70_000).for_each(|chunk| stream.write_all(chunk).unwrap());
            stream.finish().unwrap();
            assert!(out == long, "whole: {whole}");
        }
    }
}
