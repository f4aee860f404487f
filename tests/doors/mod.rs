//! Two access points on loopback, and a plain client of their doors.

#![allow(dead_code, clippy::unwrap_used, reason = "each test program uses a part")]

use http::{HeaderMap, HeaderName, Method, header};
use serde_json::Value;
use sluss::net::{Body, Client, ClientSettings, Outgoing};
use sluss::testbed::demo::{Demo, Options};
use std::path::Path;
use std::time::Duration;

/// A federation that runs.
pub(crate) struct Federation {
    pub(crate) sites: [Site; 2],
    demo: Demo,
    _folder: tempfile::TempDir,
}

/// One access point, as its clients see it.
pub(crate) struct Site {
    pub(crate) api: String,
    pub(crate) console: String,
    pub(crate) token: String,
    /// Its data folder.
    pub(crate) data: std::path::PathBuf,
    client: Client,
}

/// What came back.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answered {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    pub(crate) fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Starts DNS, SMP and two access points with message services.
pub(crate) async fn running() -> Federation {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { dir: Some(folder.path().join("demo")), document: None, messages: 0 };
    let demo = Demo::start(options).await.unwrap_or_else(|problems| panic!("{problems:?}"));
    let site = |name: &str| site(&folder.path().join("demo/access-points").join(name));
    let sites = [site("AP0001-DEMO"), site("AP0002-DEMO")];
    Federation { sites, demo, _folder: folder }
}

impl Federation {
    /// Lets nobody answer at the address of an access point, or mends that.
    pub(crate) fn unreachable(&self, access_point: &str, mended: bool) {
        self.demo.unreachable(access_point, mended).unwrap();
    }

    pub(crate) async fn stop(self) {
        self.demo.stop().await;
    }
}

fn site(folder: &Path) -> Site {
    let config: toml::Table = std::fs::read_to_string(folder.join("sluss.toml")).unwrap().parse().unwrap();
    let address = |name: &str| format!("http://{}", config["listen"][name].as_str().unwrap());
    let token = std::fs::read_to_string(folder.join("data/api.token")).unwrap().trim().to_owned();
    let client = Client::new(&ClientSettings { plain_http: true, ..ClientSettings::default() }).unwrap();
    Site { api: address("api"), console: address("console"), token, data: folder.join("data"), client }
}

/// The doors of a site.
pub(crate) trait Door {
    /// A call of the API with the token.
    async fn api(&self, method: Method, path: &str, content_type: Option<&str>, body: Body) -> Answered;
    /// A call of the API with another token, or none.
    async fn api_with(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        content_type: Option<&str>,
        body: Body,
    ) -> Answered;
    /// Some JSON of the API.
    async fn json(&self, path: &str) -> (u16, Value);
    /// A call of the pages, with these headers.
    async fn page(&self, method: Method, path: &str, headers: &[(HeaderName, &str)], body: Body) -> Answered;
}

impl Door for Site {
    async fn api(&self, method: Method, path: &str, content_type: Option<&str>, body: Body) -> Answered {
        self.api_with(method, path, Some(&self.token), content_type, body).await
    }

    async fn api_with(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        content_type: Option<&str>,
        body: Body,
    ) -> Answered {
        let mut headers = Vec::new();
        headers.extend(token.map(|token| (header::AUTHORIZATION, format!("Bearer {token}"))));
        headers.extend(content_type.map(|kind| (header::CONTENT_TYPE, kind.to_owned())));
        self.call(method, &format!("{}/api/v1{path}", self.api), &headers, body).await
    }

    async fn json(&self, path: &str) -> (u16, Value) {
        let answer = self.api(Method::GET, path, None, Body::empty()).await;
        (answer.status, answer.value())
    }

    async fn page(&self, method: Method, path: &str, headers: &[(HeaderName, &str)], body: Body) -> Answered {
        let headers: Vec<(HeaderName, String)> =
            headers.iter().map(|(name, value)| (name.clone(), (*value).to_owned())).collect();
        self.call(method, &format!("{}{path}", self.console), &headers, body).await
    }
}

impl Site {
    /// An answer of the pages that is still being written.
    pub(crate) async fn open(&self, path: &str, cookie: &str) -> sluss::net::Answer {
        let url = format!("{}{path}", self.console);
        let headers = [(header::COOKIE, cookie.to_owned())];
        let outgoing = Outgoing {
            method: Method::GET,
            url: &url,
            headers: &headers,
            body: Body::empty(),
            timeout: Duration::from_secs(60),
        };
        self.client.request(outgoing).await.unwrap()
    }

    /// The path of a link that logs in once, as an account or as the owner.
    pub(crate) async fn link(&self, account: Option<&str>) -> String {
        let body = account.map_or_else(|| serde_json::json!({}), |account| serde_json::json!({ "account": account }));
        let kind = Some("application/json");
        let made = self.api(Method::POST, "/links", kind, Body::empty().memory(body.to_string())).await;
        assert_eq!(made.status, 200, "{}", made.text());
        let url = made.value()["url"].as_str().unwrap().to_owned();
        url.strip_prefix(&self.console).unwrap().to_owned()
    }

    async fn call(&self, method: Method, url: &str, headers: &[(HeaderName, String)], body: Body) -> Answered {
        let outgoing = Outgoing { method, url, headers, body, timeout: Duration::from_secs(60) };
        let answer = self.client.request(outgoing).await.unwrap_or_else(|fault| panic!("{url}: {fault}"));
        let (status, headers) = (answer.status, answer.headers.clone());
        Answered { status, headers, body: answer.whole(50_000_000).await.unwrap() }
    }
}

/// A part of a form: name, text, or a file with its name.
pub(crate) type FormPart = (&'static str, String, Option<(&'static str, Vec<u8>)>);

/// A form with files, and its media type.
pub(crate) fn form(parts: Vec<FormPart>) -> (String, Body) {
    let mut body = Body::empty();
    for (name, text, file) in parts {
        let head = format!("--limit\r\nContent-Disposition: form-data; name=\"{name}\"");
        body = match file {
            None => body.memory(format!("{head}\r\n\r\n{text}\r\n")),
            Some((file, bytes)) => {
                let head = format!(
                    "{head}; filename=\"{}\"\r\nContent-Type: application/octet-stream\r\n\r\n",
                    file.replace('"', "%22")
                );
                body.memory(head).memory(bytes).memory("\r\n")
            }
        };
    }
    ("multipart/form-data; boundary=limit".into(), body.memory("--limit--\r\n"))
}
