//! The links of a card: who issued it, that it was not revoked, and what it signed.

use super::{BindingEvidence, CardGrounds, Chain, LinkName, OcspEvidence, RestsOn, Walk, date, is, text};
use crate::identity::kvnr::Kvnr;
use crate::pki::ocsp::{self, Responder, Status};
use crate::pki::trust_list::TrustList;
use crate::pki::{self, VerifiedCertificate};
use crate::protocol::Sha256Hash;
use crate::protocol::registration::{CardPossession, Expected};
use crate::protocol::service::Receipt;

impl Walk<'_> {
    /// The links of a card; what is expected of the device then.
    pub(super) fn card(
        &self,
        binding: &BindingEvidence,
        grounds: &CardGrounds,
        receipt: Option<&Receipt>,
        bound_at: &Result<i64, String>,
        holder: Option<&Kvnr>,
        chain: &mut Chain<'_>,
    ) -> Option<Expected> {
        let listed = self.trust_list(receipt, chain);
        let is_listed =
            listed.as_ref().is_some_and(|list| list.issuers().iter().any(|it| it.der() == grounds.issuer_cert));
        let rests_on = if is_listed { RestsOn::TrustListSigner } else { RestsOn::CardIssuer };
        let certificate = chain.link(LinkName::Certificate, rests_on, || {
            let at = date(bound_at.clone()?)?;
            let both = listed.as_ref().map(|list| self.pinned.anchors.with_list(list)).transpose().map_err(text)?;
            let anchors = both.as_deref().unwrap_or(self.pinned.anchors);
            let certificate = pki::verify(&grounds.card.auth_cert, anchors, at).map_err(text)?;
            is(certificate.issuer_der() == grounds.issuer_cert, "issuer_cert")?;
            is(holder.is_none_or(|holder| *holder == certificate.holder().kvnr), "kvnr")?;
            Ok(certificate)
        });
        self.revocation(grounds.ocsp.as_ref(), certificate.as_ref(), receipt, listed.as_ref(), chain);
        chain.link(LinkName::CardSignature, RestsOn::Card, || {
            let certificate = certificate.as_ref().ok_or("certificate")?;
            let expected = self.expected(binding, Some(&certificate.holder().kvnr))?;
            CardPossession::check(certificate, &grounds.card, &expected, bound_at.clone()?).map_err(text)?;
            Ok(expected)
        })
    }

    /// The trust list that the receipt names, where its signer is one that the verifier trusts. Where the verifier trusts
    /// none, the list is the one that the service has trusted, as it says, and nothing else rests on it.
    fn trust_list(&self, receipt: Option<&Receipt>, chain: &mut Chain<'_>) -> Option<TrustList> {
        // Without a receipt nothing is known of a list: the next link says what is wrong with it.
        let Some(receipt) = receipt else {
            chain.unread(LinkName::TrustList, self.rests_on);
            return None;
        };
        let Some(sha256) = receipt.trust_list_sha256 else {
            chain.absent(LinkName::TrustList, self.rests_on);
            return None;
        };
        if self.pinned.list_signers.is_empty() {
            chain.link(LinkName::TrustList, self.rests_on, || {
                self.lists.find(sha256).map(drop).ok_or_else(|| "trust_list_sha256".to_owned())
            });
            return None;
        }
        chain.link(LinkName::TrustList, RestsOn::TrustListSigner, || {
            self.lists.verified(sha256, self.pinned.list_signers, date(receipt.at)?)
        })
    }

    /// What a responder said of the certificate: one that the verifier trusts, or that a list does which the verifier trusts;
    /// else one that the service has trusted, as it says.
    fn revocation(
        &self,
        ocsp: Option<&OcspEvidence>,
        certificate: Option<&VerifiedCertificate>,
        receipt: Option<&Receipt>,
        list: Option<&TrustList>,
        chain: &mut Chain<'_>,
    ) {
        let named = receipt.and_then(|receipt| receipt.ocsp_sha256);
        if ocsp.is_none() && named.is_none() {
            return chain.absent(LinkName::Revocation, self.rests_on);
        }
        let (pinned, listed) = (self.pinned.anchors.responders(), list.map_or(&[][..], TrustList::responders));
        let is_in = |responders: &[Responder]| {
            ocsp.is_some_and(|ocsp| responders.iter().any(|responder| responder.der() == ocsp.responder))
        };
        let rests_on = match (pinned.is_empty(), list) {
            (true, None) => self.rests_on,
            (_, Some(_)) if !is_in(pinned) => RestsOn::TrustListSigner,
            _ => RestsOn::OcspResponder,
        };
        chain.link(LinkName::Revocation, rests_on, || {
            let ocsp = ocsp.ok_or("ocsp")?;
            is(named == Some(Sha256Hash::of(&ocsp.answer)), "ocsp_sha256")?;
            is((pinned.is_empty() && list.is_none()) || is_in(pinned) || is_in(listed), "responder")?;
            let (certificate, at) = (certificate.ok_or("certificate")?, date(receipt.ok_or("receipt")?.at)?);
            let responder = Responder::from_der(&ocsp.responder).map_err(text)?;
            match ocsp::check(&ocsp.answer, certificate, &[responder], false, at).map_err(text)? {
                Status::Good(_) => Ok(()),
                Status::Revoked => Err("revoked".to_owned()),
                Status::Unknown => Err("unknown".to_owned()),
            }
        });
    }
}
