//! Files as answers: saved by the client, never shown by it.

use super::body::Body;
use axum::response::Response;
use http::{HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fs::File;
use std::io;

/// What RFC 8187 lets stand as it is in an extended value.
const EXTENDED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A whole file as an answer with its length. The browser keeps to the type and saves it under `name`;
/// nobody on the way keeps a copy.
///
/// # Errors
///
/// When the file's length cannot be asked for.
pub fn download(file: File, mime: &str, name: &str) -> io::Result<Response> {
    let body = Body::empty().file(file)?;
    let bytes = body.len();
    let mut answer = Response::new(body.into_answer());
    let mime = HeaderValue::from_str(mime).ok();
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, mime.unwrap_or(HeaderValue::from_static("application/octet-stream")));
    headers.insert(header::CONTENT_LENGTH, bytes.into());
    headers.insert(header::CONTENT_DISPOSITION, attachment(name));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

/// `Content-Disposition: attachment` with the name for old clients and for new ones (RFC 6266).
pub fn attachment(name: &str) -> HeaderValue {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || " .-_()".contains(c) { c } else { '_' }).collect();
    let value = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", utf8_percent_encode(name, EXTENDED));
    HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use super::attachment;

    #[test]
    fn a_file_name_cannot_leave_its_header() {
        let value = attachment("a\"; filename=\"b.exe\r\nX: y/ö.pdf");
        assert_eq!(
            value,
            "attachment; filename=\"a__ filename__b.exe__X_ y__.pdf\"; filename*=UTF-8''a%22%3B%20filename%3D%22b.exe%0D%0AX%3A%20y%2F%C3%B6.pdf"
        );
    }
}
