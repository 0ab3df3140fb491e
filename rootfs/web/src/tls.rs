//! The certificate of this appliance, and TLS with it.
//!
//! It is made at the first start and signed by itself, because nobody else can vouch for an
//! appliance in somebody's network. It lies on the state volume in a folder that only this service
//! reads. It has no end that could be reached: a box without a clock, or left for years, must
//! still let its administrator in.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;

/// Key and certificate, in one file, so that they always belong together.
const FILE: &str = "tls.pem";

/// What connections are accepted with.
///
/// # Errors
/// No certificate can be made.
pub fn acceptor(folder: &Path, hostname: &str) -> Result<TlsAcceptor> {
    let kept = fs::read(folder.join(FILE)).ok();
    let config = match kept.map(|pem| config(&pem)) {
        Some(Ok(config)) => config,
        found => {
            if let Some(Err(error)) = found {
                eprintln!("vigie-web: {FILE} is damaged, a new certificate is made: {error:#}");
            }
            let pem = make(hostname)?;
            if let Err(error) = keep(folder, &pem) {
                // The interface is needed most when the state volume is not well.
                eprintln!("vigie-web: the new certificate is not kept: {error}");
            }
            config(pem.as_bytes())?
        }
    };
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn make(hostname: &str) -> Result<String> {
    let names = vec![hostname.to_owned()];
    let mut parameters = rcgen::CertificateParams::new(names).context("naming the certificate")?;
    let mut name = rcgen::DistinguishedName::new();
    name.push(rcgen::DnType::CommonName, hostname);
    parameters.distinguished_name = name;
    let key = rcgen::KeyPair::generate().context("making the certificate's key")?;
    let certificate = parameters
        .self_signed(&key)
        .context("signing the certificate")?;
    Ok(key.serialize_pem() + &certificate.pem())
}

fn keep(folder: &Path, pem: &str) -> io::Result<()> {
    let new = folder.join(".tls.new");
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(pem.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, folder.join(FILE))?;
    File::open(folder)?.sync_all()
}

fn config(pem: &[u8]) -> Result<ServerConfig> {
    let key = PrivateKeyDer::from_pem_slice(pem).context("reading the key")?;
    let certificate = CertificateDer::from_pem_slice(pem).context("reading the certificate")?;
    let print = Sha256::digest(&certificate);
    println!(
        "vigie-web: certificate with SHA-256 {}",
        hex::encode_upper(print)
    );
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("choosing TLS versions")?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    config.context("key and certificate do not belong together")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_made_once_kept_to_itself_and_made_again_when_it_is_damaged() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join(FILE);
        acceptor(dir.path(), "nvr-hall").expect("made");
        let first = fs::read(&path).expect("kept");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        acceptor(dir.path(), "another").expect("read");
        assert_eq!(fs::read(&path).expect("there"), first);
        for damaged in [&first[..first.len() / 2], b"", b"nothing"] {
            fs::write(&path, damaged).expect("written");
            acceptor(dir.path(), "nvr-hall").expect("made again");
            assert!(config(&fs::read(&path).expect("kept")).is_ok());
        }
        acceptor(&dir.path().join("none"), "nvr-hall").expect("without a place to keep it");
    }
}
