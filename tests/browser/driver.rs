//! A headless Chromium, driven through ChromeDriver by the WebDriver protocol as a person at a keyboard drives it: keys go to
//! whatever has the focus, and nothing is clicked.

use super::support::{PATIENCE, wait};
use base64::Engine;
use http::{Method, header};
use serde_json::{Value, json};
use sluss::net::{Body, Client, ClientSettings, Outgoing};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

pub(crate) const BACKSPACE: &str = "\u{E003}";
pub(crate) const TAB: &str = "\u{E004}";
pub(crate) const ENTER: &str = "\u{E007}";

/// Most keys until something has the focus.
const TABS_MAX: usize = 200;

/// ChromeDriver with one window of Chromium. Both end when it is dropped.
pub(crate) struct Browser {
    driver: Child,
    /// Of ChromeDriver; with a session, of that.
    url: String,
    client: Client,
    runtime: tokio::runtime::Runtime,
    profile: tempfile::TempDir,
}

impl Browser {
    /// A window for a reader of these languages. Without a browser on this machine, none, and a line that says so.
    pub(crate) fn open(languages: &str) -> Option<Self> {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let Ok(mut driver) = command.spawn() else {
            println!("skipped: no ChromeDriver here (Debian: apt-get install chromium chromium-driver)");
            return None;
        };
        let mut out = BufReader::new(driver.stdout.take().unwrap());
        let port = said_port(&mut out).expect("ChromeDriver says its port");
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        let mut browser = Self {
            driver,
            url: format!("http://127.0.0.1:{port}/session"),
            client: Client::new(&ClientSettings { plain_http: true, ..ClientSettings::default() }).unwrap(),
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            profile: tempfile::tempdir().unwrap(),
        };
        let made = match browser.call(Method::POST, "", &browser.wanted(languages)) {
            Ok(made) => made,
            Err(why) if why.contains("cannot find Chrome") => {
                println!("skipped: no Chromium here (Debian: apt-get install chromium chromium-driver)");
                return None;
            }
            Err(why) => panic!("no window: {why}"),
        };
        browser.url = format!("{}/{}", browser.url, made["sessionId"].as_str().unwrap());
        Some(browser)
    }

    /// What the window has to be like. It reaches nothing but loopback.
    fn wanted(&self, languages: &str) -> Value {
        json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "args": [
                "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run",
                "--hide-scrollbars", "--disable-background-networking", "--disable-component-update",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--window-size=1280,900",
                format!("--user-data-dir={}", self.profile.path().display()), format!("--accept-lang={languages}"),
            ] },
        } } })
    }

    /// One command of the protocol: its value, or its error.
    fn call(&self, method: Method, path: &str, body: &Value) -> Result<Value, String> {
        let content = if method == Method::POST { body.to_string() } else { String::new() };
        let url = format!("{}{path}", self.url);
        let headers = [(header::CONTENT_TYPE, "application/json".to_owned())];
        let body = Body::empty().memory(content);
        let outgoing = Outgoing { method, url: &url, headers: &headers, body, timeout: PATIENCE };
        let (status, body) = self.runtime.block_on(async {
            let answer = self.client.request(outgoing).await.map_err(|fault| fault.to_string())?;
            let status = answer.status;
            answer.whole(20_000_000).await.map(|body| (status, body)).map_err(|fault| fault.to_string())
        })?;
        let text = String::from_utf8_lossy(&body);
        match serde_json::from_str::<Value>(&text) {
            Ok(mut answer) if status == 200 => Ok(answer["value"].take()),
            _ => Err(format!("{path}: {status} {text}")),
        }
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        self.call(Method::POST, path, body).unwrap()
    }

    #[track_caller]
    fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, &Value::Null).unwrap()
    }

    /// Types an address.
    pub(crate) fn go(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// Goes back by one page.
    pub(crate) fn back(&self) {
        self.post("/back", &json!({}));
    }

    /// Presses keys, one after the other.
    pub(crate) fn press(&self, keys: &str) {
        let key = |key: char| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() }));
        let keys: Vec<Value> = keys.chars().flat_map(key).collect();
        self.post("/actions", &json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": keys }] }));
    }

    /// Evaluates an expression in the page.
    pub(crate) fn ask(&self, expression: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": format!("return {expression}"), "args": [] }))
    }

    /// Waits until an expression holds.
    #[track_caller]
    pub(crate) fn until(&self, expression: &str) {
        let held = wait(|| (self.ask(expression) == true).then_some(()));
        held.unwrap_or_else(|| panic!("not within {PATIENCE:?}: {expression}\n{}", self.text()));
    }

    /// What a reader sees.
    pub(crate) fn text(&self) -> String {
        self.ask("document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// Moves on by the tabulator until the focus is at what this selector means.
    #[track_caller]
    pub(crate) fn tab_to(&self, selector: &str) {
        for _ in 0..TABS_MAX {
            self.press(TAB);
            if self.ask(&format!("document.activeElement.matches({})", json!(selector))) == true {
                return;
            }
        }
        panic!("the tabulator never comes to {selector}:\n{}", self.text());
    }

    /// What a screen reader calls that which has the focus, and what it is.
    pub(crate) fn heard(&self) -> (String, String) {
        let active = self.get("/element/active");
        let id = active.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        let about = |what: &str| self.get(&format!("/element/{id}/{what}"));
        let text = |value: Value| value.as_str().unwrap_or_default().to_owned();
        (text(about("computedlabel")), text(about("computedrole")))
    }

    /// As a reader who prefers `light` or `dark`, and nothing that moves.
    pub(crate) fn prefer(&self, scheme: &str) {
        let preferences = [("prefers-color-scheme", scheme), ("prefers-reduced-motion", "reduce")];
        let features = preferences.map(|(name, value)| json!({ "name": name, "value": value }));
        let media = json!({ "features": features });
        self.post("/goog/cdp/execute", &json!({ "cmd": "Emulation.setEmulatedMedia", "params": media }));
    }

    /// What the browser complained about since it was asked last.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let entries = self.post("/se/log", &json!({ "type": "browser" }));
        entries.as_array().unwrap().iter().map(|entry| format!("{}: {}", entry["level"], entry["message"])).collect()
    }

    /// The window as a PNG.
    pub(crate) fn picture(&self) -> Vec<u8> {
        let encoded = self.get("/screenshot");
        base64::engine::general_purpose::STANDARD.decode(encoded.as_str().unwrap()).unwrap()
    }
}

/// The port of the line `ChromeDriver was started successfully on port 40123.`
fn said_port(out: &mut impl BufRead) -> Option<u16> {
    let end = Instant::now() + PATIENCE;
    let mut line = String::new();
    while Instant::now() < end && out.read_line(&mut line).ok()? > 0 {
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            return port.trim().trim_end_matches('.').parse().ok();
        }
        line.clear();
    }
    None
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Answered when Chromium is gone, so that its folder can go.
        let _ = self.call(Method::DELETE, "", &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
