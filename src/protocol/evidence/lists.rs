//! Trust lists in a bundle, each once.

use std::io::Read as _;

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::jose::base64url;
use crate::pki::Issuer;
use crate::pki::trust_list::{MAX_LIST, Received, TrustList};
use crate::protocol::Sha256Hash;
use crate::secret::masked;

/// A trust list as it was received, with its detached signature.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TrustListEvidence {
    /// The list (XML), packed by gzip.
    #[serde(with = "base64url")]
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub list: Vec<u8>,
    /// Its detached signature (DER).
    #[serde(with = "base64url")]
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub signature: Vec<u8>,
}

masked!(TrustListEvidence);

impl TrustListEvidence {
    /// Packs a list.
    ///
    /// # Errors
    /// None that memory gives.
    pub fn pack(received: &Received) -> std::io::Result<Self> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        std::io::Write::write_all(&mut packed, received.list())?;
        Ok(Self { list: packed.finish()?, signature: received.signature().to_vec() })
    }

    /// The list; `None` where it is not packed, is longer than lists are, or something is behind it.
    pub fn unpack(&self) -> Option<Vec<u8>> {
        let mut unpacked = Vec::new();
        let mut reader = GzDecoder::new(self.list.as_slice());
        let bound = u64::try_from(MAX_LIST).ok()?.checked_add(1)?;
        reader.by_ref().take(bound).read_to_end(&mut unpacked).ok()?;
        (unpacked.len() <= MAX_LIST && reader.into_inner().is_empty()).then_some(unpacked)
    }
}

/// What the verifier knows of the lists of a bundle.
pub(super) struct Lists {
    by_hash: Vec<(Sha256Hash, Vec<u8>, Vec<u8>)>,
}

impl Lists {
    /// Unpacks each list once. One that cannot be unpacked is missing then.
    pub(super) fn of(lists: &[TrustListEvidence]) -> Self {
        let unpacked = lists.iter().filter_map(|it| it.unpack().map(|list| (list, &it.signature)));
        Self { by_hash: unpacked.map(|(list, signature)| (Sha256Hash::of(&list), list, signature.clone())).collect() }
    }

    /// The list with this hash, and its signature.
    pub(super) fn find(&self, sha256: Sha256Hash) -> Option<(&[u8], &[u8])> {
        let found = self.by_hash.iter().find(|(hash, ..)| *hash == sha256);
        found.map(|(_, list, signature)| (list.as_slice(), signature.as_slice()))
    }

    /// The same, signed by a signer of one of these CAs, and of this time.
    pub(super) fn verified(
        &self,
        sha256: Sha256Hash,
        signers: &[Issuer],
        at: OffsetDateTime,
    ) -> Result<TrustList, String> {
        let (list, signature) = self.find(sha256).ok_or("trust_list_sha256")?;
        let list = TrustList::verify(list, signature, signers, at).map_err(|error| error.to_string())?;
        if at > list.next_update() { Err("next_update".to_owned()) } else { Ok(list) }
    }
}
