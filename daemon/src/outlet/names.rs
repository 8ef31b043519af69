//! Which names the dashboard answers to. A page from elsewhere can have its own name resolved to this address and
//! would then be of the same origin as what is served here (DNS rebinding); it cannot choose the name that the
//! browser sends along.
//!
//! In: the `Host` of a request, the daemon's names. Out: whether it is meant. Must not know: what is asked.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::HOST;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ebbd_core::report::escape;

/// Gives the names beside addresses and `localhost`; others after a change of the configuration.
pub type NamesSource = Arc<dyn Fn() -> Arc<[String]> + Send + Sync>;

/// Paths that say nothing but whether the daemon lives: whoever balances load may ask by any name.
const FOR_ANYBODY: [&str; 2] = ["/healthz", "/readyz"];

/// Turns requests away that were sent to a name which is not ours.
pub(super) async fn check(State(names): State<NamesSource>, request: Request, next: Next) -> Response {
    // Without one it is no browser that asks.
    let host = request.headers().get(HOST).map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
    match host {
        Some(host) if !FOR_ANYBODY.contains(&request.uri().path()) && !is_ours(&host, &names()) => {
            let name = escape(without_port(&host));
            let why = format!(
                "this ebbd is not called {name}; if it should be, add http_names = [\"{name}\"] to its \
                 configuration\n"
            );
            (StatusCode::MISDIRECTED_REQUEST, why).into_response()
        }
        _ => next.run(request).await,
    }
}

/// Whether a request that says `host` is meant for us. An address cannot be rebound, so any will do.
fn is_ours(host: &str, names: &[String]) -> bool {
    let name = without_port(host);
    let name = name.strip_suffix('.').unwrap_or(name);
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    bare.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || names.iter().any(|ours| ours.eq_ignore_ascii_case(name))
}

/// `[::1]:7780` as `[::1]`, `web-01:7780` as `web-01`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_own_names_are_ours_and_nothing_else() {
        let names = ["web-01".to_owned(), "ebbd.example.com".to_owned()];
        for ours in [
            "localhost",
            "localhost:7780",
            "LOCALHOST.",
            "127.0.0.1",
            "127.0.0.1:7780",
            "[::1]",
            "[::1]:7780",
            "10.1.2.3:80",
            "web-01:7780",
            "EBBD.example.com",
            "ebbd.example.com.:443",
        ] {
            assert!(is_ours(ours, &names), "{ours}");
        }
        for strange in [
            "",
            ":7780",
            "evil.example",
            "evil.example:7780",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "web-01.evil.example",
            "ebbd.example.com:80:80",
            "ebbd.example.com:x",
            "[::1",
            "127.0.0.1@evil",
        ] {
            assert!(!is_ours(strange, &names), "{strange}");
        }
    }
}
