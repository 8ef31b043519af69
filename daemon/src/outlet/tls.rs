//! The client's side of TLS: whom an outlet trusts, and the connection once the server has proven who it is.
//!
//! In: a host's name, a file with certificate authorities or the system's own. Out: an encrypted connection, or
//! why the server is not believed. Must not know: what is said on it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls_native_certs::load_native_certs;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::config::authorities_of;

/// A server's name, and who may vouch for it.
#[derive(Clone)]
pub(super) struct Trust {
    name: ServerName<'static>,
    connector: TlsConnector,
}

impl Trust {
    /// Trusts the authorities in `ca_file`, or those of the system, to vouch for `host`.
    ///
    /// # Errors
    /// `host` is no name, or there is no authority.
    pub(super) fn new(host: &str, ca_file: Option<&Path>) -> Result<Trust, String> {
        let name = ServerName::try_from(host.to_owned()).map_err(|why| format!("{host}: {why}"))?;
        let authorities = match ca_file {
            Some(file) => authorities_of(file)?,
            None => authorities_here()?,
        };
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|why| why.to_string())?
            .with_root_certificates(authorities)
            .with_no_client_auth();
        Ok(Trust { name, connector: TlsConnector::from(Arc::new(config)) })
    }

    /// Greets the server at the other end, which has to prove that it is the one.
    ///
    /// # Errors
    /// It is not, or speaks no TLS.
    pub(super) async fn greet(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), stream).await
    }
}

/// The authorities that this system trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
fn authorities_here() -> Result<RootCertStore, String> {
    let found = load_native_certs();
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(found.certs);
    match found.errors.first() {
        _ if !store.is_empty() => Ok(store),
        Some(why) => Err(format!("this system's certificate authorities can't be read: {why}")),
        None => Err("this system knows no certificate authority (Debian: ca-certificates)".to_owned()),
    }
}
