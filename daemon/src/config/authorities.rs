//! Certificate authorities that an outlet is told to trust.
//!
//! In: a file. Out: the authorities in it, or what is wrong with it. Must not know: who is believed on their word.

use std::path::Path;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// The authorities in a file of PEM blocks.
///
/// # Errors
/// It can't be read, or there is none that can be used.
pub fn authorities_of(file: &Path) -> Result<RootCertStore, String> {
    let told = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let certificates = CertificateDer::pem_file_iter(file).map_err(|why| told(&why))?;
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        store.add(certificate.map_err(|why| told(&why))?).map_err(|why| told(&why))?;
    }
    if store.is_empty() { Err(told(&"there is no certificate in it (PEM)")) } else { Ok(store) }
}
