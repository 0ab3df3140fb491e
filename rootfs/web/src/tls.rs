//! The certificate of this appliance, and TLS with it.
//!
//! It is made at the first start and signed by itself, because nobody else can vouch for an
//! appliance in somebody's network. It lies on the state volume in a folder that only this service
//! reads. It has no end that could be reached: a box without a clock, or left for years, must
//! still let its administrator in.
//!
//! An own one goes before it; where that is damaged, the appliance's is used, so that nobody is kept out.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;

/// Key and certificate, in one file, so that they always belong together.
const FILE: &str = "tls.pem";
/// The same of an own certificate.
const OWN: &str = "own.pem";

/// The certificate that connections are accepted with; it may be exchanged while they are.
#[derive(Debug)]
pub struct Certificate {
    folder: PathBuf,
    hostname: String,
    now: RwLock<Now>,
}

#[derive(Debug)]
struct Now {
    own: bool,
    key: Arc<CertifiedKey>,
}

/// Why an own certificate was not taken.
#[derive(Debug)]
pub enum Unfit {
    /// There is none in what was given for it.
    Chain,
    /// The same of its key.
    Key,
    /// The key is another one's, or of a kind that nobody here knows.
    Together,
    /// It cannot be written.
    Kept(io::Error),
}

impl Certificate {
    /// The own one, else that of the appliance, which is made where there is none.
    ///
    /// # Errors
    /// None can be made.
    pub fn load(folder: &Path, hostname: &str) -> Result<Self> {
        let own = fs::read(folder.join(OWN)).ok();
        let own = own.and_then(|pem| match pair(&pem, &pem) {
            Ok(key) => Some(key),
            Err(why) => {
                eprintln!("vigie-web: {OWN} is damaged ({why:?}), the appliance's own is used");
                None
            }
        });
        let now = match own {
            Some(key) => Now {
                own: true,
                key: Arc::new(key),
            },
            None => of_appliance(folder, hostname)?,
        };
        let certificate = Self {
            folder: folder.to_owned(),
            hostname: hostname.to_owned(),
            now: RwLock::new(now),
        };
        println!(
            "vigie-web: certificate with SHA-256 {}",
            certificate.print()
        );
        Ok(certificate)
    }

    fn with<T>(&self, look: impl FnOnce(&Now) -> T) -> T {
        look(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, now: Now) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Whether it is one that somebody has installed.
    pub fn is_own(&self) -> bool {
        self.with(|now| now.own)
    }

    /// The SHA-256 of the certificate, as browsers show it.
    pub fn print(&self) -> String {
        let digest = self.with(|now| now.key.cert.first().map(Sha256::digest));
        let bytes = digest.unwrap_or_default();
        let pairs = bytes.iter().map(|byte| format!("{byte:02X}"));
        pairs.collect::<Vec<_>>().join(":")
    }

    /// Takes an own certificate, with those that vouch for it, and its key, both in PEM. New connections
    /// have it from now on.
    ///
    /// # Errors
    /// They are no such thing, or cannot be kept; the former one stays.
    pub fn install(&self, chain: &[u8], key: &[u8]) -> Result<(), Unfit> {
        let (chain, key) = parts(chain, key)?;
        // What is kept is what was judged: a file of a key may have other certificates in it.
        let kept = written(&chain, &key);
        let pair = certified(chain, key)?;
        keep(&self.folder, OWN, kept.as_bytes()).map_err(Unfit::Kept)?;
        self.set(Now {
            own: true,
            key: Arc::new(pair),
        });
        Ok(())
    }

    /// Goes back to the appliance's own one.
    ///
    /// # Errors
    /// The own one cannot be removed, or none can be made.
    pub fn self_made(&self) -> Result<()> {
        match fs::remove_file(self.folder.join(OWN)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).context("removing the certificate");
            }
            _ => {}
        }
        self.set(of_appliance(&self.folder, &self.hostname)?);
        Ok(())
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.with(|now| Arc::clone(&now.key)))
    }
}

/// What connections are accepted with.
///
/// # Errors
/// No version of TLS is left.
pub fn acceptor(certificate: Arc<Certificate>) -> Result<TlsAcceptor> {
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .context("choosing TLS versions")?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The one that the appliance has made itself.
fn of_appliance(folder: &Path, hostname: &str) -> Result<Now> {
    let kept = fs::read(folder.join(FILE)).ok();
    let key = match kept.map(|pem| pair(&pem, &pem)) {
        Some(Ok(key)) => key,
        found => {
            if let Some(Err(why)) = found {
                eprintln!("vigie-web: {FILE} is damaged, a new certificate is made: {why:?}");
            }
            let pem = make(hostname)?;
            if let Err(error) = keep(folder, FILE, pem.as_bytes()) {
                // The interface is needed most when the state volume is not well.
                eprintln!("vigie-web: the new certificate is not kept: {error}");
            }
            let pair = pair(pem.as_bytes(), pem.as_bytes());
            pair.map_err(|why| anyhow::anyhow!("using the new certificate: {why:?}"))?
        }
    };
    Ok(Now {
        own: false,
        key: Arc::new(key),
    })
}

/// A certificate, those that vouch for it, and its key.
fn pair(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, Unfit> {
    let (chain, key) = parts(chain, key)?;
    certified(chain, key)
}

type Chain = Vec<CertificateDer<'static>>;

fn parts(chain: &[u8], key: &[u8]) -> Result<(Chain, PrivateKeyDer<'static>), Unfit> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
    let chain = chain.map_err(|_| Unfit::Chain)?;
    if chain.is_empty() {
        return Err(Unfit::Chain);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| Unfit::Key)?;
    Ok((chain, key))
}

fn certified(chain: Chain, key: PrivateKeyDer<'static>) -> Result<CertifiedKey, Unfit> {
    CertifiedKey::from_der(chain, key, &provider()).map_err(|_| Unfit::Together)
}

/// Both in PEM (RFC 7468).
fn written(chain: &[CertificateDer<'_>], key: &PrivateKeyDer<'_>) -> String {
    let kind = match key {
        PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
        _ => "PRIVATE KEY",
    };
    let mut text = pem(kind, key.secret_der());
    for certificate in chain {
        text.push_str(&pem("CERTIFICATE", certificate));
    }
    text
}

fn pem(label: &str, der: &[u8]) -> String {
    // 48 bytes are a line of 64 characters.
    let lines = der.chunks(48).map(|line| STANDARD.encode(line) + "\n");
    let lines: String = lines.collect();
    format!("-----BEGIN {label}-----\n{lines}-----END {label}-----\n")
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

fn keep(folder: &Path, name: &str, pem: &[u8]) -> io::Result<()> {
    let new = folder.join(".tls.new");
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(pem)?;
    file.sync_all()?;
    fs::rename(&new, folder.join(name))?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn load(folder: &Path) -> Certificate {
        Certificate::load(folder, "nvr-hall").expect("a certificate")
    }

    #[test]
    fn it_is_made_once_kept_to_itself_and_made_again_when_it_is_damaged() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join(FILE);
        load(dir.path());
        let first = fs::read(&path).expect("kept");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        Certificate::load(dir.path(), "another").expect("read");
        assert_eq!(fs::read(&path).expect("there"), first);
        for damaged in [&first[..first.len() / 2], b"", b"nothing"] {
            fs::write(&path, damaged).expect("written");
            load(dir.path());
            let kept = fs::read(&path).expect("kept");
            assert!(pair(&kept, &kept).is_ok());
        }
        load(&dir.path().join("none"));
    }

    #[test]
    fn an_own_one_is_checked_used_at_once_kept_and_given_up() {
        let dir = tempfile::tempdir().expect("folder");
        let certificate = load(dir.path());
        let of_appliance = certificate.print();
        assert_eq!(of_appliance.len(), 32 * 3 - 1);
        let [one, other] = ["one", "other"].map(|name| make(name).expect("made"));
        let key = |pem: &str| {
            pem.split("-----BEGIN CERT")
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        let chain = |pem: &str| pem.replace(&key(pem), "");
        let install =
            |chain: &str, key: &str| certificate.install(chain.as_bytes(), key.as_bytes());
        assert!(matches!(install("", &key(&one)), Err(Unfit::Chain)));
        assert!(matches!(install("x", &key(&one)), Err(Unfit::Chain)));
        assert!(matches!(install(&chain(&one), ""), Err(Unfit::Key)));
        assert!(matches!(
            install(&chain(&one), &key(&other)),
            Err(Unfit::Together)
        ));
        assert!(!certificate.is_own() && certificate.print() == of_appliance);
        install(&chain(&one), &key(&one)).expect("installed");
        let print = certificate.print();
        assert!(certificate.is_own() && print != of_appliance);
        let path = dir.path().join(OWN);
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // A file of a key with another certificate in it: after a restart it is the same one.
        let mixed = other.replace(&key(&other), "") + &key(&one);
        install(&chain(&one), &mixed).expect("installed");
        assert_eq!(certificate.print(), print);
        // After a restart, and damaged.
        let restarted = load(dir.path());
        assert_eq!((restarted.is_own(), restarted.print()), (true, print));
        fs::write(&path, "damaged").expect("written");
        let damaged = load(dir.path());
        assert_eq!(
            (damaged.is_own(), damaged.print()),
            (false, of_appliance.clone())
        );
        certificate.self_made().expect("gone back");
        assert_eq!(
            (certificate.is_own(), certificate.print()),
            (false, of_appliance)
        );
        assert!(!path.exists() && certificate.self_made().is_ok());
    }
}
