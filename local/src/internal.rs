//! What other commands on this machine ask of a running `serve`: put records on its stream, wait
//! until answers show them, say what waits.
//!
//! `DATA/serve.json` (mode 0600) names the address and a secret of this run; who can read the
//! data folder may ask, nobody else.

mod client;
mod codec;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::Full;
use lake::stream::HitStream as _;
use serde::{Deserialize, Serialize};

pub use client::RemoteStream;
pub(crate) use codec::{decode_records, encode_records};

use crate::front::plain;
use crate::pipeline::Pipeline;

/// Header that carries the secret.
pub(crate) const SECRET_HEADER: &str = "hitlake-internal";

/// Where a running `serve` answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Contact {
    /// Address that it listens on.
    pub address: std::net::SocketAddr,
    /// Secret of this run, 32 hex digits.
    pub secret: String,
    /// Its process, so that a contact that a killed run left behind is known.
    pub pid: u32,
}

impl Contact {
    fn path(data: &Path) -> PathBuf {
        data.join("serve.json")
    }

    /// Writes the contact of this run.
    ///
    /// # Errors
    ///
    /// When the data folder cannot be written.
    pub fn write(&self, data: &Path) -> anyhow::Result<()> {
        crate::private_file::write(&Self::path(data), &serde_json::to_vec(self)?)
    }

    /// The contact of the last run, if there was one.
    ///
    /// # Errors
    ///
    /// When the file is there and cannot be read.
    pub fn read(data: &Path) -> anyhow::Result<Option<Self>> {
        let path = Self::path(data);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }
}

/// What waits on the stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Records that no hot object holds yet.
    pub records: u64,
    /// Arrival of the oldest of them, Unix milliseconds.
    pub oldest_ms: Option<i64>,
}

/// The handler behind `/internal/`.
#[derive(Debug)]
pub struct Internal {
    /// Secret of this run.
    pub secret: String,
    /// Stream and poller of this run.
    pub pipeline: Arc<Pipeline>,
}

impl Internal {
    pub(crate) async fn answer(&self, parts: &Parts, body: Bytes) -> Response<Full<Bytes>> {
        use subtle::ConstantTimeEq as _;
        let given =
            parts.headers.get(SECRET_HEADER).map(http::HeaderValue::as_bytes).unwrap_or_default();
        if !bool::from(given.ct_eq(self.secret.as_bytes())) {
            return plain(StatusCode::NOT_FOUND, "not found\n");
        }
        match self.handle(parts.uri.path(), &body).await {
            Ok(answer) => Response::new(Full::new(answer.into())),
            Err(error) => plain(StatusCode::SERVICE_UNAVAILABLE, &format!("{error:#}")),
        }
    }

    async fn handle(&self, path: &str, body: &[u8]) -> anyhow::Result<Vec<u8>> {
        match path {
            "/internal/put" => {
                let positions = self.pipeline.stream.put(decode_records(body)?).await?;
                let named: Vec<_> =
                    positions.into_iter().map(|at| (at.shard, at.sequence)).collect();
                Ok(serde_json::to_vec(&named)?)
            }
            "/internal/drain" => {
                self.pipeline.drain().await?;
                Ok(b"{}".to_vec())
            }
            "/internal/waiting" => Ok(serde_json::to_vec(&self.pipeline.waiting())?),
            _ => anyhow::bail!("no such request: {path}"),
        }
    }
}
