//! What a card image holds: the object tree of the chip (gemSpec_COS V3.13.1, chapter 8).

mod xml;

use thiserror::Error;

use super::access::{AccessRules, LifeCycle};
use crate::apdu::StatusWord;
use crate::secret::{Can, SecretBytes};

/// Most data a file holds, in bytes: with its status word it still fits the line (`virtual_card::vpcd`).
pub(super) const MAX_FILE: usize = 65_533;

/// Why a text is no card image.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ImageError {
    /// Not well formed, or with a DTD, or with more nodes than any card has.
    #[error("not a readable XML document")]
    Xml(#[source] roxmltree::Error),
    /// The text is longer than any card's.
    #[error("longer than any card image")]
    TooLong,
    /// The document holds no object system with a root application.
    #[error("no object system with a root application")]
    NoRoot,
    /// Applications lie in each other deeper than on any card.
    #[error("{object} lies too deep")]
    TooDeep {
        /// Name of the object.
        object: String,
    },
    /// An attribute of an object is not what it has to be.
    #[error("{object}: attribute {attribute} is wrong")]
    Attribute {
        /// Name of the object.
        object: String,
        /// Name of the attribute.
        attribute: &'static str,
    },
}

/// A card: what it answers to a reset, and its folders.
pub(super) struct Image {
    /// Answer to reset (ISO/IEC 7816-3, 8).
    pub(super) atr: Vec<u8>,
    pub(super) ways: Ways,
    root: Folder,
    others: Vec<Folder>,
}

/// Where cards differ in what they answer, and images do not say how.
pub(super) struct Ways {
    /// What reading over the end of a file brings: `6282` with what is left, or `6B00` where nothing is left. `None`: the
    /// first where a number of bytes was named, else the second.
    pub(super) end_of_file: Option<StatusWord>,
    /// What GET PIN STATUS says of a blocked PIN: `63C0` or `6983`.
    pub(super) blocked: StatusWord,
}

impl Default for Ways {
    fn default() -> Self {
        Self { end_of_file: None, blocked: StatusWord::wrong_pin(0) }
    }
}

/// A folder of one image. Ids come from that image only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FolderId(usize);

impl FolderId {
    /// The MF.
    pub(super) const ROOT: Self = Self(0);
}

/// What a password is called: the folder it lies in, and its identifier there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PasswordId {
    pub(super) folder: FolderId,
    identifier: u8,
}

/// An application or dedicated file. Its rules are left out: they guard commands that this card does not know yet.
pub(super) struct Folder {
    pub(super) parent: Option<FolderId>,
    pub(super) fid: Option<u16>,
    pub(super) aids: Vec<Vec<u8>>,
    /// Its own state, or its parent's where that is worse.
    pub(super) life_cycle: LifeCycle,
    pub(super) files: Vec<File>,
    pub(super) passwords: Vec<Password>,
    pub(super) keys: Vec<PrivateKey>,
    pub(super) connection_keys: Vec<ConnectionKey>,
}

/// What every object in a folder has.
pub(super) struct Guard {
    /// Its own state, or its folder's where that is worse.
    pub(super) life_cycle: LifeCycle,
    pub(super) rules: AccessRules,
}

/// An elementary file.
pub(super) struct File {
    pub(super) guard: Guard,
    pub(super) fid: Option<u16>,
    pub(super) sfi: Option<u8>,
    /// `numberOfOctet`: how many bytes the chip sets aside.
    pub(super) allocated: usize,
    pub(super) kind: FileKind,
}

/// How the content of a file is laid out.
pub(super) enum FileKind {
    /// Bytes, up to the logical end of file.
    Transparent(Vec<u8>),
    LinearFixed,
    LinearVariable,
    Cyclic,
}

/// A password object, or a second name for one.
pub(super) struct Password {
    pub(super) guard: Guard,
    pub(super) identifier: u8,
    /// Where this is not set, what the password guards is open.
    pub(super) enabled: bool,
    /// How often a verification counts, for each security environment; `None` where the image sets no limit.
    pub(super) start_uses: Option<Vec<(u8, Uses)>>,
    pub(super) secret: PasswordSecret,
}

/// How often a verification may still be used (`startSSecList`): each command that rests on it counts (from memory of
/// the specification).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Uses {
    Unlimited,
    Left(u16),
}

pub(super) enum PasswordSecret {
    /// Its own digits and counter.
    Own(ReferenceData),
    /// Those of the password with this reference (multi-reference password).
    OfPassword(u8),
}

/// The digits of a password and what is left of its tries.
pub(super) struct ReferenceData {
    /// The PIN block, format 2; `None` where the image holds none. Then no PIN is right.
    pub(super) block: Option<SecretBytes<8>>,
    pub(super) min_length: u8,
    pub(super) max_length: u8,
    pub(super) tries: u8,
    pub(super) start_tries: u8,
    pub(super) transport: TransportStatus,
    /// The PUK's block; `None` where there is none.
    pub(super) puk: Option<SecretBytes<8>>,
    /// How often the PUK can still be used.
    pub(super) puk_uses: u8,
}

/// Whether a password was set by its owner yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TransportStatus {
    Regular,
    /// The issuer's PIN has to be changed first.
    TransportPin,
    /// There is no PIN yet.
    EmptyPin,
}

/// A private key on brainpoolP256r1, or RSA.
pub(super) struct PrivateKey {
    pub(super) guard: Guard,
    pub(super) identifier: u8,
    /// For each security environment, the algorithms the key serves.
    pub(super) algorithms: Vec<(u8, String)>,
    /// `None` where the key is not there, or is none of a kind this card reckons with.
    pub(super) secret: Option<KeySecret>,
}

/// What is secret of a private key.
pub(super) enum KeySecret {
    /// The scalar on brainpoolP256r1, big endian.
    E256(SecretBytes<32>),
    /// RSA; wiped on drop.
    Rsa(Box<rsa::PrivateKey>),
}

/// A key for PACE, derived from the card access number.
pub(super) struct ConnectionKey {
    pub(super) guard: Guard,
    pub(super) identifier: u8,
    /// `None` where the image holds no six digits.
    pub(super) can: Option<Can>,
}

impl Image {
    /// Reads an image. DTDs are refused; sizes, depth and number of nodes are bounded.
    ///
    /// # Errors
    /// [`ImageError`] says what is wrong, and with which object.
    pub(super) fn parse(text: &str) -> Result<Self, ImageError> {
        xml::parse(text)
    }

    /// The folder with this id.
    pub(super) fn folder(&self, id: FolderId) -> &Folder {
        id.0.checked_sub(1).and_then(|index| self.others.get(index)).unwrap_or(&self.root)
    }

    /// The same, to be changed.
    pub(super) fn folder_mut(&mut self, id: FolderId) -> &mut Folder {
        id.0.checked_sub(1).and_then(|index| self.others.get_mut(index)).unwrap_or(&mut self.root)
    }

    /// Puts a folder and all that lies in it into `state`, where that is worse than its own.
    pub(super) fn worsen(&mut self, id: FolderId, state: LifeCycle) {
        let inside: Vec<_> =
            self.folders().map(|(inner, _)| inner).filter(|inner| self.is_on_path(id, *inner)).collect();
        for inner in inside {
            let folder = self.folder_mut(inner);
            folder.life_cycle = folder.life_cycle.max(state);
            let guards = folder.files.iter_mut().map(|file| &mut file.guard);
            let guards = guards.chain(folder.passwords.iter_mut().map(|password| &mut password.guard));
            let guards = guards.chain(folder.keys.iter_mut().map(|key| &mut key.guard));
            guards.for_each(|guard| guard.life_cycle = guard.life_cycle.max(state));
        }
    }

    /// All folders, the MF first.
    pub(super) fn folders(&self) -> impl Iterator<Item = (FolderId, &Folder)> {
        std::iter::once(&self.root).chain(&self.others).enumerate().map(|(index, folder)| (FolderId(index), folder))
    }

    /// Whether `folder` is `inner` or lies above it.
    pub(super) fn is_on_path(&self, folder: FolderId, inner: FolderId) -> bool {
        std::iter::successors(Some(inner), |id| self.folder(*id).parent).any(|id| id == folder)
    }

    /// The password that `reference` means in `folder`: with the highest bit one of that folder, else one of the MF
    /// (gemSpec_COS, 8.4).
    pub(super) fn find_password(&self, folder: FolderId, reference: u8) -> Option<PasswordId> {
        let id = PasswordId { folder: referenced_folder(folder, reference), identifier: reference & 0x7F };
        self.password(id).map(|_| id)
    }

    /// The password itself.
    pub(super) fn password(&self, id: PasswordId) -> Option<&Password> {
        self.folder(id.folder).passwords.iter().find(|password| password.identifier == id.identifier)
    }

    /// Digits and counter of the password: its own, or those of the one it stands for.
    pub(super) fn reference_data(&mut self, id: PasswordId) -> Option<&mut ReferenceData> {
        let owner = match &self.password(id)?.secret {
            PasswordSecret::Own(_) => id,
            PasswordSecret::OfPassword(reference) => self.find_password(id.folder, *reference)?,
        };
        let passwords = &mut self.folder_mut(owner.folder).passwords;
        match &mut passwords.iter_mut().find(|password| password.identifier == owner.identifier)?.secret {
            PasswordSecret::Own(data) => Some(data),
            PasswordSecret::OfPassword(_) => None,
        }
    }
}

impl Password {
    /// How often a verification in security environment `environment` counts.
    pub(super) fn start_uses(&self, environment: u8) -> Uses {
        let Some(list) = &self.start_uses else { return Uses::Unlimited };
        list.iter().find(|(number, _)| *number == environment).map_or(Uses::Left(0), |(_, uses)| *uses)
    }
}

impl PrivateKey {
    /// Whether the key serves `algorithm` in security environment `environment`.
    pub(super) fn serves(&self, environment: u8, algorithm: &str) -> bool {
        self.algorithms.iter().any(|(number, name)| *number == environment && name == algorithm)
    }
}

/// The folder a reference of one byte looks into: its highest bit tells the current one from the MF.
pub(super) fn referenced_folder(current: FolderId, reference: u8) -> FolderId {
    if reference & 0x80 == 0 { FolderId::ROOT } else { current }
}
