//! A relay that loses answers: what is sent to an access point arrives, and its receipt never comes back.

use super::fault::Kind;
use super::federation::Federation;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// How long one exchange may take.
const EXCHANGE_MAX: Duration = Duration::from_secs(60);

/// The same address, through the relay's port.
pub(super) fn through(endpoint: &str, relay: u16) -> String {
    let path = endpoint.parse::<http::Uri>().map(|uri| uri.path().to_owned()).unwrap_or_default();
    format!("http://127.0.0.1:{relay}{path}")
}

/// Takes connections until the task is ended.
pub(super) async fn serve(listener: TcpListener, federation: Federation) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        if let Some(target) = target(&federation) {
            tokio::spawn(async move {
                let _ = timeout(EXCHANGE_MAX, one_exchange(stream, target)).await;
            });
        }
    }
}

/// The access point whose receipts are lost.
fn target(federation: &Federation) -> Option<SocketAddr> {
    let registry = federation.registry().ok()?;
    let name = registry.broken(Kind::ReceiptLost)?.subject.clone()?;
    let uri: http::Uri = registry.access_points.get(&name)?.endpoint.parse().ok()?;
    uri.authority()?.as_str().parse().ok()
}

/// Passes the request on until the first byte of the answer, then hangs up on the sender.
async fn one_exchange(mut sender: TcpStream, target: SocketAddr) -> std::io::Result<()> {
    let mut receiver = TcpStream::connect(target).await?;
    let (mut request, _answer) = sender.split();
    let (mut answer, mut onward) = receiver.split();
    let mut first = [0_u8; 1];
    tokio::select! {
        passed = copy(&mut request, &mut onward) => passed.map(drop),
        // The answer is on its way, so the receiver is done with the message.
        seen = answer.read(&mut first) => seen.map(drop),
    }
}
