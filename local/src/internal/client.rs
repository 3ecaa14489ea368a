//! The other side: a stream whose records a running `serve` takes.

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use lake::stream::{HitStream, Position, Record, StreamError};
use tokio::sync::Mutex;

use super::{Contact, SECRET_HEADER, Waiting, encode_records};

/// A connection to a running `serve`.
#[derive(Debug)]
pub struct RemoteStream {
    contact: Contact,
    connection: Mutex<SendRequest<Full<Bytes>>>,
}

impl RemoteStream {
    /// Connects.
    ///
    /// # Errors
    ///
    /// When nothing answers at the contact's address.
    pub async fn connect(contact: Contact) -> anyhow::Result<Self> {
        let name = contact.address;
        let socket = tokio::net::TcpStream::connect(name)
            .await
            .with_context(|| format!("connecting to the running serve at {name}"))?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Self { contact, connection: Mutex::new(sender) })
    }

    async fn ask(&self, path: &str, body: Vec<u8>) -> anyhow::Result<Bytes> {
        let request = Request::post(path)
            .header(http::header::HOST, self.contact.address.to_string())
            .header(SECRET_HEADER, &self.contact.secret)
            .body(Full::new(Bytes::from(body)))?;
        let mut connection = self.connection.lock().await;
        connection.ready().await.context("the running serve closed the connection")?;
        let response = connection.send_request(request).await?;
        let status = response.status();
        let bytes = response.into_body().collect().await?.to_bytes();
        anyhow::ensure!(
            status == StatusCode::OK,
            "the running serve answered {status}: {}",
            String::from_utf8_lossy(&bytes)
        );
        Ok(bytes)
    }

    /// Returns when answers show every hit that was put.
    ///
    /// # Errors
    ///
    /// When the connection is lost.
    pub async fn drain(&self) -> anyhow::Result<()> {
        self.ask("/internal/drain", Vec::new()).await.map(|_| ())
    }

    /// What waits on the stream.
    ///
    /// # Errors
    ///
    /// When the connection is lost.
    pub async fn waiting(&self) -> anyhow::Result<Waiting> {
        Ok(serde_json::from_slice(&self.ask("/internal/waiting", Vec::new()).await?)?)
    }
}

#[async_trait::async_trait]
impl HitStream for RemoteStream {
    async fn put(&self, records: Vec<Record>) -> Result<Vec<Position>, StreamError> {
        let total = records.len();
        let put = async {
            let answer = self.ask("/internal/put", encode_records(&records)).await?;
            Ok::<Vec<(String, String)>, anyhow::Error>(serde_json::from_slice(&answer)?)
        };
        match put.await {
            Ok(named) => Ok(named
                .into_iter()
                .map(|(shard, sequence)| Position { shard, sequence })
                .collect()),
            Err(error) => Err(StreamError::Unavailable {
                taken: 0,
                total,
                attempts: 1,
                reason: format!("{error:#}"),
            }),
        }
    }
}
