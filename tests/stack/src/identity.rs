//! The certificate of the servers, and how clients check it.

use std::sync::{Arc, OnceLock};

use eyot_io_tokio::tls::{Tls, provider};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The domain of every story.
pub const DOMAIN: &str = "x.example";

/// A certificate with its key, made once in a process.
#[derive(Debug)]
pub struct Identity {
    certificate: CertificateDer<'static>,
    tls: Tls,
}

impl Identity {
    /// Returns the one identity of this process.
    ///
    /// Its key is an Ed25519 key, because those sign with always as many bytes: what is random in TLS must not
    /// change how much is sent, or two runs of one seed would differ in time.
    pub fn get() -> &'static Self {
        static MADE: OnceLock<Identity> = OnceLock::new();
        MADE.get_or_init(Self::make)
    }

    fn make() -> Self {
        let mut params = rcgen::CertificateParams::new([DOMAIN.to_owned()]).expect("the domain is a name");
        // The simulator's wall clock stands somewhere in 2022.
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2049, 12, 31);
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("the system gives entropy");
        let made = params.self_signed(&key).expect("the parameters are whole");
        let tls = Tls::from_pem(made.pem().as_bytes(), key.serialize_pem().as_bytes());
        Self { certificate: made.der().clone(), tls: tls.expect("the certificate was just made") }
    }

    /// Returns the servers' side.
    pub fn server(&self) -> Tls {
        self.tls.clone()
    }

    /// Returns a client's side: it trusts this certificate and no other, and offers `alpn` if there is one.
    pub fn client(&self, alpn: Option<&str>) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("the certificate was just made");
        let config =
            ClientConfig::builder_with_provider(Arc::new(provider())).with_safe_default_protocol_versions();
        let config = config.expect("the provider has the default versions").with_root_certificates(roots);
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = alpn.into_iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config).into()
    }
}
