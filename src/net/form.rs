//! Forms with files (`multipart/form-data`), read part by part: small texts whole, files as readers.

use super::inbound::{BodyError, BodyLimits, Remains, lend};
use crate::limits::{FORM_FILES_MAX, FORM_TEXT_BYTES_MAX};
use axum::body::Body;
use axum::extract::multipart::{Field, Multipart};
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use futures_util::Stream;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;
use tokio_util::io::StreamReader;

/// How many pieces of a file wait for whoever takes it.
const PIECES_WAITING_MAX: usize = 8;

/// Why a form was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// The body did not come whole, or is too large.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The body is no form.
    #[error("not a form (multipart/form-data): {0}")]
    Form(String),
    /// Too many files.
    #[error("found more than {FORM_FILES_MAX} files in the form")]
    Files,
    /// Texts that are too long together.
    #[error("the texts of the form are longer than {FORM_TEXT_BYTES_MAX} bytes; longer ones are sent as files")]
    Texts,
    /// A text that is not UTF-8.
    #[error("the field {0:?} is not UTF-8")]
    Utf8(String),
}

/// A form that is being read.
#[derive(Debug)]
pub struct FormReader {
    multipart: Multipart,
    remains: Remains,
    text_bytes_left: usize,
    files_left: usize,
}

/// One part of a form.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one lives at a time, on the stack")]
pub enum Part<'a> {
    /// A field.
    Text {
        /// Its name.
        name: String,
        /// Its text.
        value: String,
    },
    /// A file.
    File {
        /// File name as the client says it.
        name: String,
        /// Media type as the client says it.
        mime: String,
        /// Its bytes.
        content: FileContent<'a>,
    },
}

/// The bytes of a file, still to be read.
#[derive(Debug)]
pub struct FileContent<'a> {
    field: Field<'a>,
    remains: &'a Remains,
}

impl FormReader {
    /// Starts reading.
    ///
    /// # Errors
    ///
    /// [`FormError::Form`] when the Content-Type is not that of a form.
    pub async fn new(request: Request, limits: BodyLimits) -> Result<Self, FormError> {
        let (head, body) = request.into_parts();
        let (stream, remains) = lend(body, limits);
        let request = Request::from_parts(head, Body::from_stream(stream));
        let multipart =
            Multipart::from_request(request, &()).await.map_err(|fault| FormError::Form(fault.body_text()))?;
        Ok(Self { multipart, remains, text_bytes_left: FORM_TEXT_BYTES_MAX, files_left: FORM_FILES_MAX })
    }

    /// The next part; `None` after the last one. A file input that was left empty has no name.
    ///
    /// # Errors
    ///
    /// Those of [`FormError`].
    pub async fn next(&mut self) -> Result<Option<Part<'_>>, FormError> {
        let next = self.multipart.next_field().await;
        let Some(mut field) = next.map_err(|fault| why(&self.remains, &fault.body_text()))? else {
            return Ok(None);
        };
        if let Some(name) = field.file_name().map(ToOwned::to_owned) {
            self.files_left = self.files_left.checked_sub(1).ok_or(FormError::Files)?;
            let mime = field.content_type().unwrap_or("application/octet-stream").to_owned();
            let content = FileContent { field, remains: &self.remains };
            return Ok(Some(Part::File { name, mime, content }));
        }
        let name = field.name().unwrap_or_default().to_owned();
        let mut text = Vec::new();
        let remains = &self.remains;
        while let Some(bytes) = field.chunk().await.map_err(|fault| why(remains, &fault.body_text()))? {
            self.text_bytes_left = self.text_bytes_left.checked_sub(bytes.len()).ok_or(FormError::Texts)?;
            text.extend_from_slice(&bytes);
        }
        match String::from_utf8(text) {
            Ok(value) => Ok(Some(Part::Text { name, value })),
            Err(_) => Err(FormError::Utf8(name)),
        }
    }

    /// Reads what was not read and throws it away, so that the client sees the answer.
    pub async fn drain(self, bytes_max: u64) {
        drop(self.multipart);
        self.remains.drain(bytes_max).await;
    }
}

impl FileContent<'_> {
    /// Gives the bytes to `take` as a reader, while they come.
    ///
    /// # Errors
    ///
    /// [`FormError`] when the file did not come whole; what `take` made of it is then thrown away.
    pub async fn feed<T, F: Future<Output = T>>(self, take: impl FnOnce(FileReader) -> F) -> Result<T, FormError> {
        let (sender, receiver) = mpsc::channel(PIECES_WAITING_MAX);
        let Self { field, remains } = self;
        let (pumped, taken) = tokio::join!(pump(field, sender), take(FileReader::new(receiver)));
        pumped.map_err(|fault| why(remains, &fault))?;
        Ok(taken)
    }
}

/// Passes the pieces on until the file ends or nobody takes them any more.
async fn pump(mut field: Field<'_>, sender: mpsc::Sender<io::Result<Bytes>>) -> Result<(), String> {
    loop {
        match field.chunk().await {
            Ok(None) => return Ok(()),
            Ok(Some(bytes)) => {
                if sender.send(Ok(bytes)).await.is_err() {
                    return Ok(());
                }
            }
            Err(fault) => {
                // The reader must not take the missing rest for the end of the file.
                let _ = sender.send(Err(io::ErrorKind::UnexpectedEof.into())).await;
                return Err(fault.body_text());
            }
        }
    }
}

fn why(remains: &Remains, text: &str) -> FormError {
    remains.fault().map_or_else(|| FormError::Form(text.to_owned()), FormError::Body)
}

/// The bytes of a file of a form.
pub struct FileReader(StreamReader<Received, Bytes>);

type Received = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

impl FileReader {
    fn new(mut receiver: mpsc::Receiver<io::Result<Bytes>>) -> Self {
        let received: Received = Box::pin(futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx)));
        Self(StreamReader::new(received))
    }
}

impl AsyncRead for FileReader {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::{BodyLimits, FormError, FormReader, Part};
    use axum::body::Body;
    use tokio::io::AsyncReadExt;

    const FORM: &str = "--b\r\nContent-Disposition: form-data; name=\"label\"\r\n\r\nÅrende 7\r\n\
        --b\r\nContent-Disposition: form-data; name=\"document\"; filename=\"\"\r\nContent-Type: application/octet-stream\r\n\r\n\r\n\
        --b\r\nContent-Disposition: form-data; name=\"document\"; filename=\"å ä.pdf\"\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n--b--\r\n";

    async fn read(content: impl Into<Body>, bytes_max: u64) -> Result<Vec<String>, FormError> {
        let request = axum::extract::Request::builder()
            .header("content-type", "multipart/form-data; boundary=b")
            .body(content.into())
            .unwrap();
        let mut form = FormReader::new(request, BodyLimits::bytes(bytes_max)).await?;
        let mut seen = Vec::new();
        while let Some(part) = form.next().await? {
            seen.push(match part {
                Part::Text { name, value } => format!("{name}={value}"),
                Part::File { name, mime, content } => {
                    let take = |mut reader: super::FileReader| async move {
                        let mut text = String::new();
                        reader.read_to_string(&mut text).await.map(|_| text)
                    };
                    let text = content.feed(take).await?.unwrap();
                    format!("{name} {mime} {text}")
                }
            });
        }
        Ok(seen)
    }

    #[tokio::test]
    async fn fields_and_files_come_in_order() {
        let seen = read(FORM, 10_000).await.unwrap();
        assert_eq!(seen, ["label=Årende 7", " application/octet-stream ", "å ä.pdf application/pdf %PDF"]);
    }

    #[tokio::test]
    async fn a_form_that_ends_too_early_is_no_shorter_file() {
        let cut = FORM.split("PDF\r\n--b--").next().unwrap();
        assert!(matches!(read(cut, 10_000).await.unwrap_err(), FormError::Form(_)));
    }

    #[tokio::test]
    async fn bounds_hold() {
        assert!(matches!(read(FORM, 100).await.unwrap_err(), FormError::Body(_)));
        let long = FORM.replace("Årende", &"x".repeat(1_100_000));
        assert!(matches!(read(long, 10_000_000).await.unwrap_err(), FormError::Texts));
        let part = "--b\r\nContent-Disposition: form-data; name=\"d\"; filename=\"a\"\r\n\r\nx\r\n";
        assert!(matches!(read(part.repeat(101) + "--b--\r\n", 10_000_000).await.unwrap_err(), FormError::Files));
    }
}
