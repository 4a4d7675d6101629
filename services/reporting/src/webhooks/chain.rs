//! Whether a certificate is SNS's: its name, its dates, and a chain to one of Amazon's roots.
//!
//! SNS publishes its certificate without the one that issued it, so that one is fetched from where the certificate says it lies,
//! if that is at Amazon's own authorities. It needs no belief: it fits into the chain or it does not.

use super::Refused;
use super::fetch::{Fetch, of_amazons_authorities};
use engagement::Timestamp;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::time::Duration;
use url::Url;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, Error, KeyUsage};

/// The most certificates between SNS's own and a root.
const BETWEEN: usize = 3;
/// What comes before the URL of a certificate's issuer: caIssuers (RFC 5280, 4.2.2.1), then the tag of a URL.
const ISSUER: [u8; 11] = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02, 0x86];

/// SNS's certificate and those above it.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    own: CertificateDer<'static>,
    above: Vec<CertificateDer<'static>>,
}

impl Chain {
    /// Reads a document of certificates, fetches what it leaves out, and checks it all.
    pub(super) async fn read(pem: &[u8], fetch: &dyn Fetch, now: Timestamp) -> Result<Self, Refused> {
        let mut all = CertificateDer::pem_slice_iter(pem).take(1 + BETWEEN);
        let own = all.next().and_then(Result::ok).ok_or(Refused::Certificate)?;
        let mut chain = Self { own, above: all.filter_map(Result::ok).collect() };
        loop {
            match chain.verify(fetch, now) {
                Err(Error::UnknownIssuer) if chain.above.len() < BETWEEN => {
                    let lowest = chain.above.last().unwrap_or(&chain.own);
                    let url = issuer(lowest).ok_or(Refused::Certificate)?;
                    let above = fetch.get(&url).await.map_err(|_| Refused::CertificateUnavailable)?;
                    chain.above.push(CertificateDer::from(above));
                }
                Err(_) => return Err(Refused::Certificate),
                Ok(()) => return Ok(chain),
            }
        }
    }

    /// That it is in its time still.
    pub(super) fn check(&self, fetch: &dyn Fetch, now: Timestamp) -> Result<(), Refused> {
        self.verify(fetch, now).map_err(|_| Refused::Certificate)
    }

    /// SNS's own certificate.
    pub(super) fn own(&self) -> &CertificateDer<'static> {
        &self.own
    }

    fn verify(&self, fetch: &dyn Fetch, now: Timestamp) -> Result<(), Error> {
        let roots = fetch.roots();
        let anchors: Vec<_> =
            roots.iter().filter_map(|root| webpki::anchor_from_trusted_cert(root).ok()).collect();
        let own = EndEntityCert::try_from(&self.own)?;
        let name = ServerName::try_from("sns.amazonaws.com").expect("this is a host's name");
        own.verify_is_valid_for_subject_name(&name)?;
        let seconds = u64::try_from(now.millis() / 1000).expect("the range starts in 2000");
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let usage = KeyUsage::server_auth();
        own.verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, &self.above, time, usage, None, None).map(drop)
    }
}

/// Where a certificate says that its issuer's lies, if that is at Amazon's authorities.
fn issuer(certificate: &[u8]) -> Option<Url> {
    let at = certificate.windows(ISSUER.len()).position(|part| part == ISSUER)? + ISSUER.len();
    // A length of one byte: a URL of 128 bytes or more has two, and none of Amazon's is so long.
    let length = usize::from(*certificate.get(at)?);
    let url = certificate.get(at + 1..at + 1 + length).filter(|_| length < 128)?;
    Url::parse(std::str::from_utf8(url).ok()?).ok().filter(of_amazons_authorities)
}

#[cfg(test)]
mod tests {
    use super::super::fetch::{FetchError, Fetched};
    use super::*;
    use std::sync::Mutex;

    /// An authority of tests; what it was asked for.
    #[derive(Default)]
    struct Authority {
        down: bool,
        asked: Mutex<Vec<String>>,
    }

    impl Fetch for Authority {
        fn get<'a>(&'a self, url: &'a Url) -> Fetched<'a> {
            self.asked.lock().unwrap().push(url.to_string());
            let down = self.down;
            Box::pin(async move {
                if down {
                    Err(FetchError)
                } else {
                    Ok(include_bytes!("../../tests/reporting/sns/intermediate.der").to_vec())
                }
            })
        }

        fn roots(&self) -> Vec<CertificateDer<'static>> {
            vec![
                CertificateDer::from_pem_slice(include_bytes!("../../tests/reporting/sns/root.pem")).unwrap(),
            ]
        }
    }

    struct Real;
    impl Fetch for Real {
        fn get<'a>(&'a self, _: &'a Url) -> Fetched<'a> {
            Box::pin(async { Ok(include_bytes!("../../tests/reporting/sns/intermediate.der").to_vec()) })
        }
    }

    #[tokio::test]
    async fn a_certificate_is_believed_by_its_name_its_dates_and_its_chain() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let now = at("2030-01-01T00:00:00Z");
        let good = include_bytes!("../../tests/reporting/sns/certificate.pem");
        let authority = Authority::default();
        let chain = Chain::read(good, &authority, now).await.unwrap();
        assert_eq!(*authority.asked.lock().unwrap(), ["http://crt.r2m01.amazontrust.com/r2m01.cer"]);
        chain.check(&authority, now).unwrap();
        // Out of its time, either way; and another authority's.
        assert_eq!(chain.check(&authority, at("2020-06-01T00:00:00Z")), Err(Refused::Certificate));
        assert_eq!(Chain::read(good, &Real, now).await.unwrap_err(), Refused::Certificate);
        for (name, pem) in [
            ("expired", &include_bytes!("../../tests/reporting/sns/expired.pem")[..]),
            ("another name", include_bytes!("../../tests/reporting/sns/stranger.pem")),
            ("signed by itself", include_bytes!("../../tests/reporting/sns/forged.pem")),
            ("issued elsewhere", include_bytes!("../../tests/reporting/sns/orphan.pem")),
            ("no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            ("nothing", b""),
        ] {
            assert_eq!(Chain::read(pem, &authority, now).await.unwrap_err(), Refused::Certificate, "{name}");
        }
        let expired = include_bytes!("../../tests/reporting/sns/expired.pem");
        assert!(
            Chain::read(expired, &authority, at("2020-06-01T00:00:00Z")).await.is_err(),
            "its issuer is younger"
        );
        // The authority's own trouble is no forgery: SNS sends again.
        let away = Authority { down: true, ..Authority::default() };
        assert_eq!(Chain::read(good, &away, now).await.unwrap_err(), Refused::CertificateUnavailable);
    }

    #[test]
    fn amazons_roots_are_known_and_no_others() {
        let roots = Real.roots();
        assert!((4..=6).contains(&roots.len()), "{}", roots.len());
        assert!(roots.iter().all(|root| webpki::anchor_from_trusted_cert(root).is_ok()));
        let url = |text: &str| of_amazons_authorities(&Url::parse(text).unwrap());
        assert!(url("http://crt.r2m02.amazontrust.com/r2m02.cer"));
        for bad in [
            "http://amazontrust.com.evil.example/x",
            "http://evilamazontrust.com/x",
            "ftp://x.amazontrust.com/x",
            "http://x.amazontrust.com:8080/x",
        ] {
            assert!(!url(bad), "{bad}");
        }
    }
}
