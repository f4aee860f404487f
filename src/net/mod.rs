//! HTTP on hyper and rustls, both ways, with a bound on every wait and every size. Only this
//! module names hyper; what others see are `http` types, `axum` routers, readers and files.

pub mod body;
pub mod client;
mod connections;
pub mod download;
pub mod error;
pub mod form;
pub mod inbound;
pub mod server;
pub mod tls;
pub mod token;

pub use body::Body;
pub use client::{Answer, Client, ClientSettings, Fetched, Outgoing};
pub use connections::{Crowded, Standing};
pub use error::NetError;
pub use inbound::{BodyError, BodyLimits, BodyReader};
pub use server::Ending;
pub use tls::{ClientIdentity, ServerTls, TlsError};
pub use token::AccessToken;

#[cfg(test)]
mod tests;
