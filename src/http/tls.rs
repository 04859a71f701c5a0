//! Whom a connection trusts, and what is wrong with a certificate that it does not.

use std::error::Error as StdError;

use rustls::CertificateError;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::report::frame::Report;

/// How connections to https are secured: with the system's certificates, those that OpenSSL would use,
/// `SSL_CERT_FILE` and `SSL_CERT_DIR` included. To load them takes milliseconds.
pub(super) fn config(report: &Report) -> TlsConfig {
    let roots = rustls_native_certs::load_native_certs();
    if let ([], [problem, ..]) = (&roots.certs[..], &roots.errors[..]) {
        report.warn(format_args!("no certificate is trusted: {problem}"));
    }
    let certificates = roots.certs.iter().map(|der| Certificate::from_der(der).to_owned());
    TlsConfig::builder()
        .root_certs(RootCerts::from(certificates))
        .unversioned_rustls_crypto_provider(rustls::crypto::ring::default_provider().into())
        .build()
}

/// What is wrong with the other side's certificate, if that is what went wrong.
pub(super) fn certificate_problem(error: &ureq::Error) -> Option<String> {
    let rustls::Error::InvalidCertificate(problem) = tls_error(error)? else {
        return None;
    };
    Some(match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "the certificate has expired".into(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet".into()
        }
        CertificateError::UnknownIssuer => "the certificate is self-signed or of an unknown authority".into(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the certificate is for another host".into()
        }
        CertificateError::Revoked => "the certificate was revoked".into(),
        // rustls has no kind of its own for it; OpenSSL makes such certificates unless told not to.
        CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity" => {
            "the certificate is self-signed, and an authority's own instead of a server's".into()
        }
        CertificateError::BadSignature => "the signature of the certificate is wrong".into(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the certificate is not one of a server".into()
        }
        _ => "the certificate is not valid".into(),
    })
}

/// What else went wrong in TLS, if that is what went wrong.
pub(super) fn tls_problem(error: &ureq::Error) -> Option<&'static str> {
    Some(match tls_error(error)? {
        rustls::Error::InvalidMessage(_) => "what answers does not speak TLS",
        rustls::Error::PeerIncompatible(_) => "the other side has no TLS version or cipher in common with us",
        rustls::Error::AlertReceived(_) => "the other side refuses the TLS connection",
        _ => "the TLS connection fails",
    })
}

/// What TLS found wrong; neither ureq nor an `io::Error` gives it as its source.
fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    match error.downcast_ref::<ureq::Error>() {
        Some(ureq::Error::Rustls(tls)) => return Some(tls),
        Some(ureq::Error::Io(io)) => return tls_error(io),
        _ => {}
    }
    match error.downcast_ref::<std::io::Error>() {
        Some(io) => tls_error(io.get_ref()?),
        None => error.downcast_ref().or_else(|| tls_error(error.source()?)),
    }
}
