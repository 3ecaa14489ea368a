//! The HTTP front: requests become API Gateway 2.0 events, the handlers' answers become responses.
//!
//! Knows HTTP and which path belongs to whom; decides nothing about hits or questions.

mod event;
mod pages;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::internal::Internal;

/// Bytes of a request's body that the front reads; API Gateway's limit for a Lambda is 6 MB.
pub const MAX_REQUEST_BYTES: usize = 6 * 1024 * 1024;
/// How long a client may take to send its request line and headers.
const HEADER_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

/// The handlers behind the front, the same as the Lambdas'.
#[derive(Debug)]
pub struct Front {
    /// Beacons.
    pub ingest: ingest::handler::Ingest,
    /// The metrics API.
    pub query: query::handler::Query,
    /// What other commands on this machine ask of a running `serve`; nothing where hits go to
    /// Kinesis, because those commands go there too.
    pub internal: Option<Internal>,
}

/// Serves until `stop` says so, then lets open requests end.
///
/// # Errors
///
/// When connections can no longer be accepted.
pub async fn run(
    front: Arc<Front>,
    listener: TcpListener,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let connections = hyper_util::server::graceful::GracefulShutdown::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => {
                    let _ = socket.set_nodelay(true);
                    let front = Arc::clone(&front);
                    let service = service_fn(move |request| {
                        let front = Arc::clone(&front);
                        async move { Ok::<_, Infallible>(front.answer(request, peer).await) }
                    });
                    let connection = hyper::server::conn::http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(HEADER_TIMEOUT)
                        .serve_connection(TokioIo::new(socket), service);
                    let connection = connections.watch(connection);
                    tokio::spawn(async move { let _ = connection.await; });
                }
                // Too many open files and the like pass; the listener itself is sound.
                Err(error) => {
                    tracing::warn!("a connection was not accepted: {error}");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            },
            _ = stop.changed() => break,
        }
    }
    let _ = tokio::time::timeout(std::time::Duration::from_secs(5), connections.shutdown()).await;
    Ok(())
}

impl Front {
    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        if let Some(page) = pages::page(&parts.method, parts.uri.path()) {
            return page;
        }
        let body = match Limited::new(body, MAX_REQUEST_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                return plain(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    &format!(
                        "the body is above the limit of {MAX_REQUEST_BYTES} bytes; send fewer hits at once\n"
                    ),
                );
            }
            Err(_) => return plain(StatusCode::BAD_REQUEST, "the body ended early\n"),
        };
        let path = parts.uri.path();
        if path.starts_with("/internal/") {
            return match &self.internal {
                Some(internal) => internal.answer(&parts, body).await,
                None => plain(StatusCode::NOT_FOUND, "not found\n"),
            };
        }
        let of_query = path.starts_with("/v1/") || path == "/openapi.json";
        let event = event::from_http(parts, body, peer);
        let answer =
            if of_query { self.query.handle(event).await } else { self.ingest.handle(event).await };
        event::to_http(answer)
    }
}

/// A short text as a response.
pub(crate) fn plain(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}
