//! Verification of client certificates: any certificate, or those that a CA has signed and that
//! have an allowed name.

use std::net::IpAddr;
use std::sync::Arc;

use rustls_pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;
use x509_parser::time::ASN1Time;

/// Returns a verifier that accepts any certificate whose key the client holds.
pub(super) fn any(mandatory: bool, provider: &CryptoProvider) -> Arc<dyn ClientCertVerifier> {
    Arc::new(CertificateVerifier {
        mandatory,
        trusted: None,
        names: Vec::new(),
        algorithms: provider.signature_verification_algorithms,
    })
}

/// Returns a verifier that accepts certificates signed by one of `roots`. If there are `names`, the
/// certificate must have one of them.
///
/// # Errors
/// A root is not a certificate.
pub(super) fn verified(
    roots: Vec<CertificateDer<'static>>,
    mandatory: bool,
    names: Vec<String>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, VerifierBuilderError> {
    let mut store = RootCertStore::empty();
    for root in &roots {
        store
            .add(root.clone())
            .map_err(|_| VerifierBuilderError::NoRootAnchors)?;
    }
    let chains = WebPkiClientVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider))
        .build()?;
    let algorithms = provider.signature_verification_algorithms;
    Ok(Arc::new(CertificateVerifier {
        mandatory,
        trusted: Some(TrustedRoots { chains, roots }),
        names,
        algorithms,
    }))
}

#[derive(Debug)]
struct CertificateVerifier {
    mandatory: bool,
    /// `None` accepts any certificate.
    trusted: Option<TrustedRoots>,
    names: Vec<String>,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
struct TrustedRoots {
    chains: Arc<dyn ClientCertVerifier>,
    roots: Vec<CertificateDer<'static>>,
}

impl TrustedRoots {
    fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        match self
            .chains
            .verify_client_cert(end_entity, intermediates, now)
        {
            Ok(_) => Ok(()),
            // A self-signed certificate that is its own CA. `openssl req -x509` creates such, and
            // the toolkit accepts them.
            Err(_) if self.roots.iter().any(|root| root == end_entity) => {
                self_signed(end_entity, now)
            }
            Err(error) => Err(error),
        }
    }
}

fn self_signed(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let certificate = parsed(certificate)?;
    let now = i64::try_from(now.as_secs())
        .ok()
        .and_then(|seconds| ASN1Time::from_timestamp(seconds).ok());
    if !now.is_some_and(|now| certificate.validity().is_valid_at(now)) {
        return Err(CertificateError::Expired.into());
    }
    let usage = certificate
        .extended_key_usage()
        .map_err(|_| CertificateError::BadEncoding)?;
    if usage.is_some_and(|usage| !usage.value.any && !usage.value.client_auth) {
        return Err(CertificateError::InvalidPurpose.into());
    }
    Ok(())
}

fn parsed<'c>(certificate: &'c CertificateDer<'_>) -> Result<X509Certificate<'c>, Error> {
    let (_, parsed) =
        parse_x509_certificate(certificate).map_err(|_| CertificateError::BadEncoding)?;
    Ok(parsed)
}

/// Returns whether the certificate has one of the names. DNS names, email addresses, IP addresses
/// and URIs are compared as text.
fn has_one_of(names: &[String], certificate: &X509Certificate<'_>) -> bool {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return false;
    };
    extension.value.general_names.iter().any(|name| match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => {
            names.iter().any(|allowed| allowed == text)
        }
        GeneralName::IPAddress(bytes) => ip(bytes).is_some_and(|ip| names.contains(&ip)),
        _ => false,
    })
}

fn ip(bytes: &[u8]) -> Option<String> {
    let address = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        _ => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
    };
    Some(address.to_canonical().to_string())
}

impl ClientCertVerifier for CertificateVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.trusted
            .as_ref()
            .map(|trusted| trusted.chains.root_hint_subjects())
            .unwrap_or_default()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(trusted) = &self.trusted {
            trusted.verify(end_entity, intermediates, now)?;
        }
        if !self.names.is_empty() && !has_one_of(&self.names, &parsed(end_entity)?) {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::string::Ia5String;
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    #[test]
    fn names_of_every_kind_are_compared_as_text() {
        let mut params = CertificateParams::default();
        let text = |text: &str| Ia5String::try_from(text).unwrap();
        params.subject_alt_names = vec![
            SanType::DnsName(text("prometheus.example")),
            SanType::Rfc822Name(text("ops@example.org")),
            SanType::URI(text("spiffe://example/prometheus")),
            SanType::IpAddress("192.0.2.7".parse().unwrap()),
            SanType::IpAddress("2001:db8::7".parse().unwrap()),
        ];
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let certificate = parsed(made.der()).unwrap();
        for (allowed, expected) in [
            ("prometheus.example", true),
            ("ops@example.org", true),
            ("spiffe://example/prometheus", true),
            ("192.0.2.7", true),
            ("2001:db8::7", true),
            ("example", false),
            ("*.example", false),
            ("PROMETHEUS.example", false),
            ("2001:0db8::7", false),
            ("", false),
        ] {
            assert_eq!(
                has_one_of(&["other".to_owned(), allowed.to_owned()], &certificate),
                expected,
                "{allowed}"
            );
        }
    }
}
