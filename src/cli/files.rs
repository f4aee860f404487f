//! Files that come from strangers and files that go to them: names, media types, writing aside.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Longest file name written, in bytes; file systems take 255.
const NAME_BYTES_MAX: usize = 200;

/// Names that Windows keeps for devices, whatever their extension.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// A file name out of what a stranger called a document: no folders, no hidden files, nothing that a
/// file system or a terminal would take for something else.
pub fn safe_name(name: &str) -> String {
    let flat: String =
        name.chars().filter(|c| !is_hidden(*c)).map(|c| if "/\\<>:\"|?*".contains(c) { '_' } else { c }).collect();
    let bare = flat
        .trim_start_matches(|c: char| c == '.' || c.is_whitespace())
        .trim_end_matches(|c: char| c == '.' || c.is_whitespace());
    let short = shortened(bare);
    let stem =
        short.split('.').next().unwrap_or_default().trim_end_matches(|c: char| c.is_ascii_digit()).to_lowercase();
    match short.as_str() {
        "" => "document".into(),
        _ if DEVICES.contains(&stem.as_str()) => format!("_{short}"),
        _ => short,
    }
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// At most [`NAME_BYTES_MAX`] bytes, the extension kept where it is a short one.
fn shortened(name: &str) -> String {
    if name.len() <= NAME_BYTES_MAX {
        return name.to_owned();
    }
    let (stem, extension) = split(name);
    let mut end = NAME_BYTES_MAX - extension.len();
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{extension}", &stem[..end])
}

/// Stem and extension with its dot; an extension longer than 16 bytes is none.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= 16 => name.split_at(dot),
        _ => (name, ""),
    }
}

/// Safe names for documents in order, no two of them equal: `a.pdf`, `a (2).pdf`.
pub fn safe_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut given = Vec::new();
    for name in names {
        let safe = safe_name(name);
        let (stem, extension) = split(&safe);
        let numbered = (2..).map(|n: u32| format!("{stem} ({n}){extension}"));
        let mut candidates = std::iter::once(safe.clone()).chain(numbered);
        // Compared without regard to case, as macOS and Windows do.
        let free = candidates.find(|candidate| taken.insert(candidate.to_lowercase()));
        given.push(free.unwrap_or(safe));
    }
    given
}

/// Media types by extension; what is not here is `application/octet-stream`.
const TYPES: [(&str, &str); 27] = [
    ("csv", "text/csv"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("eml", "message/rfc822"),
    ("gif", "image/gif"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("md", "text/markdown"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("odp", "application/vnd.oasis.opendocument.presentation"),
    ("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("rtf", "application/rtf"),
    ("svg", "image/svg+xml"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("txt", "text/plain"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("xml", "application/xml"),
    ("zip", "application/zip"),
];

/// The media type of a file by its extension.
pub fn media_type(path: &Path) -> &'static str {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_lowercase();
    TYPES.iter().find(|(known, _)| *known == extension).map_or("application/octet-stream", |(_, mime)| mime)
}

/// A file that gets its name only when it is complete: readers see all of it or nothing.
#[derive(Debug)]
pub struct Aside {
    file: tempfile::NamedTempFile,
    place: PathBuf,
}

impl Aside {
    /// Begins a file for `folder/name`; the folder is made when missing.
    ///
    /// # Errors
    ///
    /// When folder or file cannot be made.
    pub fn begin(folder: &Path, name: &str) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let file = tempfile::Builder::new().prefix(".sluss-").tempfile_in(folder)?;
        Ok(Self { file, place: folder.join(name) })
    }

    /// Where the bytes go.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Makes it durable under its name: content, then name, then folder.
    ///
    /// # Errors
    ///
    /// When one of these fails; the name is then not taken.
    pub fn keep(self) -> io::Result<PathBuf> {
        let Self { file, place } = self;
        file.as_file().sync_all()?;
        file.persist(&place).map_err(|fault| fault.error)?;
        if let Some(folder) = place.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use super::{Aside, NAME_BYTES_MAX, media_type, safe_name, safe_names};
    use std::io::Write;
    use std::path::Path;

    #[test]
    fn a_name_cannot_leave_its_folder_or_hide() {
        for (given, safe) in [
            ("../../etc/passwd", "_.._etc_passwd"),
            ("..\\..\\boot.ini", "_.._boot.ini"),
            ("/etc/passwd", "_etc_passwd"),
            (".bashrc", "bashrc"),
            ("..", "document"),
            ("", "document"),
            ("\u{0}\n", "document"),
            ("C:\\a.txt", "C__a.txt"),
            ("con.txt", "_con.txt"),
            ("LPT1", "_LPT1"),
            ("control.txt", "control.txt"),
            ("räkning\u{202e}fdp.exe", "räkningfdp.exe"),
            ("a. ", "a"),
            ("Protokoll 2026-11-23.pdf", "Protokoll 2026-11-23.pdf"),
        ] {
            assert_eq!(safe_name(given), safe, "{given:?}");
            assert_eq!(Path::new(&safe_name(given)).components().count(), 1);
        }
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let safe = safe_name(&format!("{}.pdf", "å".repeat(300)));
        assert!(safe.len() <= NAME_BYTES_MAX && safe.ends_with("å.pdf"), "{safe}");
        assert!(safe_name(&"ö".repeat(300)).len() <= NAME_BYTES_MAX);
    }

    #[test]
    fn equal_names_are_numbered() {
        assert_eq!(
            safe_names(["a.pdf", "A.pdf", "a (2).pdf", "../a", "a"]),
            ["a.pdf", "A (2).pdf", "a (2) (2).pdf", "_a", "a"]
        );
        assert_eq!(safe_names(["", "."]), ["document", "document (2)"]);
    }

    #[test]
    fn media_types_go_by_extension() {
        assert_eq!(media_type(Path::new("a/B.PDF")), "application/pdf");
        assert_eq!(media_type(Path::new("x.bin")), "application/octet-stream");
        assert_eq!(media_type(Path::new("README")), "application/octet-stream");
    }

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("new");
        let mut aside = Aside::begin(&inner, "a.txt").unwrap();
        aside.file().write_all(b"half").unwrap();
        drop(aside);
        assert_eq!(std::fs::read_dir(&inner).unwrap().count(), 0);
        let mut aside = Aside::begin(&inner, "a.txt").unwrap();
        aside.file().write_all(b"whole").unwrap();
        assert_eq!(std::fs::read(aside.keep().unwrap()).unwrap(), b"whole");
    }
}
