//! One request to somebody else's HTTP server: a connection of its own, one POST, an answer within a time.
//!
//! In: an address, a body. Out: taken, refused, or in trouble. Must not know: what is sent, when it is tried again.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::tls::Trust;

/// Of an answer, what is read at most: a complaint is wanted, not a page.
const ANSWER_BYTES: usize = 4096;

/// Where requests go.
#[derive(Clone)]
pub(super) struct Poster {
    /// Host and port as they stand in the address.
    authority: String,
    host: String,
    port: u16,
    /// Path before everything else, without a slash at its end.
    path: String,
    /// An answer takes no longer than this.
    within: Duration,
    /// Whom to believe, or why nobody can be; none for plain HTTP.
    trust: Option<Result<Trust, String>>,
}

/// Why a request was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It was understood and turned down (4xx): sending it again changes nothing.
    Refused(String),
    /// The server answered that it is in trouble (5xx, 408, 429, redirections).
    Trouble(String),
    /// No answer: nobody there, too slow, cut off.
    Unreachable(String),
}

impl Failure {
    /// The reason in words.
    pub(super) fn why(&self) -> &str {
        match self {
            Failure::Refused(why) | Failure::Trouble(why) | Failure::Unreachable(why) => why,
        }
    }
}

fn lost(why: &dyn std::fmt::Display) -> Failure {
    Failure::Unreachable(why.to_string())
}

impl Poster {
    /// Requests to `url`, which the configuration has checked. Of an `https` one the server's certificate must be
    /// vouched for by an authority of `ca_file`, or of the system.
    pub(super) fn new(url: &str, ca_file: Option<&Path>, within: Duration) -> Poster {
        let uri: Uri = url.parse().unwrap_or_default();
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let is_secure = uri.scheme_str() == Some("https");
        Poster {
            authority: uri.authority().map(|authority| authority.to_string()).unwrap_or_default(),
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 }),
            path: uri.path_and_query().map_or("", |path| path.as_str()).trim_end_matches('/').to_owned(),
            within,
            trust: is_secure.then(|| Trust::new(host, ca_file)),
        }
    }

    /// Sends JSON to the address with `path` behind it.
    ///
    /// # Errors
    /// [`Failure`], within the time given at the beginning.
    pub(super) async fn post(&self, path: &str, json: Bytes) -> Result<(), Failure> {
        let sent = tokio::time::timeout(self.within, self.exchange(path, json)).await;
        let late = || format!("no answer within {} s", self.within.as_secs());
        sent.unwrap_or_else(|_| Err(Failure::Unreachable(late())))
    }

    async fn exchange(&self, path: &str, json: Bytes) -> Result<(), Failure> {
        let connect = async || TcpStream::connect((&*self.host, self.port)).await.map_err(|why| lost(&why));
        match &self.trust {
            None => self.speak(connect().await?, path, json).await,
            Some(Err(why)) => Err(Failure::Unreachable(why.clone())),
            Some(Ok(trust)) => {
                let greeted = trust.greet(connect().await?).await;
                let stream = greeted.map_err(|why| lost(&format_args!("TLS with {}: {why}", self.host)))?;
                self.speak(stream, path, json).await
            }
        }
    }

    async fn speak<S>(&self, stream: S, path: &str, json: Bytes) -> Result<(), Failure>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|why| lost(&why))?;
        // It ends when `sender` is gone, at the latest with this exchange.
        let driven = tokio::spawn(connection);
        let target = format!("{}{path}", self.path);
        let request = Request::post(if target.is_empty() { "/" } else { &target })
            .header(HOST, &self.authority)
            .header(USER_AGENT, concat!("ebbd/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(json))
            .map_err(|why| Failure::Refused(why.to_string()))?;
        let answer = sender.send_request(request).await.map_err(|why| lost(&why))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES).collect().await;
        driven.abort();
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        let said = ebbd_core::report::escape(String::from_utf8_lossy(&body).trim());
        let told = format!("{status} {said}").trim_end().to_owned();
        match status.as_u16() {
            200..=299 => Ok(()),
            408 | 429 => Err(Failure::Trouble(told)),
            400..=499 => Err(Failure::Refused(told)),
            _ => Err(Failure::Trouble(told)),
        }
    }
}
