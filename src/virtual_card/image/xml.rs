//! gematik's card images: `card` / `objectSystem` / `attribute` `root` / `child`, each child with `attributes` and
//! `children`. Numbers and bytes are hexadecimal; `AttributeNotSet` and `Wildcard` stand for none.

use std::collections::VecDeque;

use roxmltree::Node;
use rsa::BoxedUint;
use zeroize::Zeroizing;

use super::super::access::{AccessRules, LifeCycle};
use super::{
    ConnectionKey, File, FileKind, Folder, FolderId, Guard, Image, ImageError, KeySecret, MAX_FILE, Password,
    PasswordSecret, PrivateKey, ReferenceData, TransportStatus, Uses, Ways,
};
use crate::identity::xml;
use crate::secret::{Can, SecretBytes, SecretText};

/// Longest image in bytes; the known ones have 240,000.
const MAX_TEXT: usize = 8 * 1024 * 1024;
/// Most XML nodes; the known images have 3,600.
const MAX_NODES: u32 = 200_000;
/// Deepest nesting of folders; the known images have three.
const MAX_DEPTH: usize = 8;
/// Most bytes in all files together; the known images have 57,000. A few letters of text can ask for a whole file.
const MAX_CONTENT: usize = 1024 * 1024;
/// Bytes of the longest RSA modulus.
const MAX_MODULUS: usize = 512;
/// Longest answer to reset (ISO/IEC 7816-3, 8.2).
const MAX_ATR: usize = 33;
/// What a card answers to a reset when its image does not say: T=1 and nothing else, as all health cards.
const DEFAULT_ATR: [u8; 11] = [0x3B, 0xD0, 0x97, 0xFF, 0x81, 0xB1, 0xFE, 0x45, 0x1F, 0x07, 0x2B];

pub(super) fn parse(text: &str) -> Result<Image, ImageError> {
    if text.len() > MAX_TEXT {
        return Err(ImageError::TooLong);
    }
    let document = xml::parse(text, MAX_NODES).map_err(ImageError::Xml)?;
    let system = document.descendants().find(|node| named(node, "objectSystem")).ok_or(ImageError::NoRoot)?;
    let mf = system.descendants().find(|node| named(node, "child")).map(Object).ok_or(ImageError::NoRoot)?;
    if !mf.is_folder() {
        return Err(ImageError::NoRoot);
    }
    let system_state = child(system, "attribute", "lifeCycleStatus").map(content).filter(|word| is_set(word));
    let system_state = system_state.map_or(LifeCycle::Activated, |word| life_cycle(&word));

    let mut room = MAX_CONTENT;
    let root = mf.folder(None, system_state, &mut room)?;
    let mut image = Image { atr: atr(system)?, ways: Ways::default(), root, others: Vec::new() };
    let mut open: VecDeque<_> = mf.folders().map(|object| (object, FolderId::ROOT, 1)).collect();
    while let Some((object, parent, depth)) = open.pop_front() {
        if depth > MAX_DEPTH {
            return Err(ImageError::TooDeep { object: object.name() });
        }
        let folder = object.folder(Some(parent), image.folder(parent).life_cycle, &mut room)?;
        image.others.push(folder);
        let id = FolderId(image.others.len());
        open.extend(object.folders().map(|inner| (inner, id, depth + 1)));
    }
    Ok(image)
}

fn atr(system: Node<'_, '_>) -> Result<Vec<u8>, ImageError> {
    const ATTRIBUTE: &str = "coldAnswerToReset";
    let wrong = || ImageError::Attribute { object: "objectSystem".to_owned(), attribute: ATTRIBUTE };
    let text = child(system, "attribute", ATTRIBUTE).map(content).filter(|text| is_set(text));
    let Some(text) = text else { return Ok(DEFAULT_ATR.to_vec()) };
    let atr = hex_bytes(&text).filter(|atr| (2..=MAX_ATR).contains(&atr.len())).ok_or_else(wrong)?;
    Ok(atr.to_vec())
}

/// A `child` element: one object of the tree.
#[derive(Clone, Copy)]
struct Object<'a, 'xml>(Node<'a, 'xml>);

impl<'a, 'xml> Object<'a, 'xml> {
    fn name(&self) -> String {
        self.0.attribute("id").unwrap_or("an object without a name").chars().take(64).collect()
    }

    fn wrong(&self, attribute: &'static str) -> ImageError {
        ImageError::Attribute { object: self.name(), attribute }
    }

    fn object_type(&self) -> &'a str {
        self.0.attribute("objectType").unwrap_or_default()
    }

    fn children(&self) -> impl Iterator<Item = Self> + use<'a, 'xml> {
        let lists = self.0.children().filter(|node| named(node, "children"));
        lists.flat_map(|list| list.children()).filter(|node| named(node, "child")).map(Self)
    }

    fn folders(&self) -> impl Iterator<Item = Self> + use<'a, 'xml> {
        self.children().filter(Self::is_folder)
    }

    fn is_folder(&self) -> bool {
        let has_children = || self.0.children().any(|node| named(&node, "children"));
        matches!(self.object_type(), "ADF" | "Application" | "ApplicationDedicatedFile" | "DF" | "DedicatedFile")
            || has_children()
    }

    /// The text of an attribute, without white space; `None` where it is absent or stands for nothing.
    fn text(&self, attribute: &'static str) -> Option<Zeroizing<String>> {
        let list = self.0.children().find(|node| named(node, "attributes"))?;
        let text = content(child(list, "attribute", attribute)?);
        is_set(&text).then_some(text)
    }

    fn bytes(&self, attribute: &'static str) -> Result<Option<Zeroizing<Vec<u8>>>, ImageError> {
        let Some(text) = self.text(attribute) else { return Ok(None) };
        hex_bytes(&text).map(Some).ok_or_else(|| self.wrong(attribute))
    }

    fn number<T: TryFrom<u32>>(&self, attribute: &'static str) -> Result<Option<T>, ImageError> {
        let Some(text) = self.text(attribute) else { return Ok(None) };
        let number = u32::from_str_radix(&text, 16).ok().and_then(|number| number.try_into().ok());
        number.map(Some).ok_or_else(|| self.wrong(attribute))
    }

    fn life_cycle(&self, of_folder: LifeCycle) -> LifeCycle {
        self.text("lifeCycleStatus").map_or(of_folder, |word| life_cycle(&word).max(of_folder))
    }

    fn guard(&self, of_folder: LifeCycle) -> Guard {
        let rules = self.text("accessRules").map(|text| AccessRules::parse(&text)).unwrap_or_default();
        Guard { life_cycle: self.life_cycle(of_folder), rules }
    }

    /// Reads the folder and what lies in it, but not the folders in it.
    fn folder(&self, parent: Option<FolderId>, of_parent: LifeCycle, room: &mut usize) -> Result<Folder, ImageError> {
        let life_cycle = self.life_cycle(of_parent);
        let mut folder = Folder {
            parent,
            fid: self.number("fileIdentifier")?,
            aids: self.aids()?,
            life_cycle,
            files: Vec::new(),
            passwords: Vec::new(),
            keys: Vec::new(),
            connection_keys: Vec::new(),
        };
        for object in self.children() {
            match object.object_type() {
                "TransparentElementaryFile" => {
                    let content = FileKind::Transparent(object.content(room)?);
                    folder.files.push(object.file(life_cycle, content)?);
                }
                "LinearFixedElementaryFile" => folder.files.push(object.file(life_cycle, FileKind::LinearFixed)?),
                "LinearVariableElementaryFile" => folder.files.push(object.file(life_cycle, FileKind::LinearVariable)?),
                "CyclicElementaryFile" => folder.files.push(object.file(life_cycle, FileKind::Cyclic)?),
                // What has no identifier cannot be referred to: it is as if it were not there.
                "PWD" => folder.passwords.extend(object.password(life_cycle, Some(object.own_secret()?))?),
                "MultireferencePWD" => {
                    let other = object.number("passwordReference")?.map(PasswordSecret::OfPassword);
                    folder.passwords.extend(object.password(life_cycle, other)?);
                }
                "SymmetricConnectionKey" => folder.connection_keys.extend(object.connection_key(life_cycle)?),
                "PrivateElcKey" => folder.keys.extend(object.private_key(life_cycle)?),
                "PrivateRsaKey" => folder.keys.extend(object.rsa_key(life_cycle)?),
                _ => {}
            }
        }
        Ok(folder)
    }

    /// `{d2760001448000}`: one or more identifiers.
    fn aids(&self) -> Result<Vec<Vec<u8>>, ImageError> {
        const ATTRIBUTE: &str = "applicationIdentifier";
        let Some(text) = self.text(ATTRIBUTE) else { return Ok(Vec::new()) };
        text.split(['{', '}', ',', ';'])
            .filter(|aid| !aid.is_empty())
            .map(|aid| hex_bytes(aid).map(|aid| aid.to_vec()).ok_or_else(|| self.wrong(ATTRIBUTE)))
            .collect()
    }

    fn file(&self, of_folder: LifeCycle, kind: FileKind) -> Result<File, ImageError> {
        let content = if let FileKind::Transparent(content) = &kind { content.len() } else { 0 };
        Ok(File {
            guard: self.guard(of_folder),
            fid: self.number("fileIdentifier")?,
            sfi: self.number("shortFileIdentifier")?.filter(|sfi| (1..=30).contains(sfi)),
            allocated: self.number::<u32>("numberOfOctet")?.map_or(0, |octets| octets as usize).max(content),
            kind,
        })
    }

    /// The bytes up to the logical end of file. Bodies come shorter (then the chip would hold zeros) and longer. `room` is
    /// what is left for them.
    fn content(&self, room: &mut usize) -> Result<Vec<u8>, ImageError> {
        let mut body = self.bytes("body")?.map(|body| body.to_vec()).unwrap_or_default();
        let end = self.number::<u32>("positionLogicalEndOfFile")?.map_or(body.len(), |end| end as usize);
        let left = room.checked_sub(end).filter(|_| end <= MAX_FILE);
        *room = left.ok_or_else(|| self.wrong("positionLogicalEndOfFile"))?;
        body.resize(end, 0);
        Ok(body)
    }

    fn password(&self, of_folder: LifeCycle, secret: Option<PasswordSecret>) -> Result<Option<Password>, ImageError> {
        let (Some(identifier), Some(secret)) = (self.number("pwdIdentifier")?, secret) else { return Ok(None) };
        Ok(Some(Password {
            guard: self.guard(of_folder),
            identifier,
            enabled: self.text("flagEnabled").is_none_or(|flag| !flag.eq_ignore_ascii_case("FALSE")),
            start_uses: self.start_uses(),
            secret,
        }))
    }

    /// `{(1,INFINITY),(2,00fa)}`: for each security environment, how often a verification counts.
    fn start_uses(&self) -> Option<Vec<(u8, Uses)>> {
        let text = self.text("startSSecList")?;
        let entries = text.split(['{', '}', '(', ')']).filter_map(|entry| entry.split_once(','));
        let read = |(number, uses): (&str, &str)| {
            let uses = match uses {
                "INFINITY" => Uses::Unlimited,
                number => Uses::Left(u16::from_str_radix(number, 16).ok()?),
            };
            Some((u8::from_str_radix(number, 16).ok()?, uses))
        };
        Some(entries.filter_map(read).collect())
    }

    fn own_secret(&self) -> Result<PasswordSecret, ImageError> {
        let block = |attribute: &'static str| {
            let block = self.bytes(attribute)?.map(|bytes| {
                SecretBytes::filled(|block| {
                    let bytes = <&[u8; 8]>::try_from(bytes.as_slice()).map_err(|_| self.wrong(attribute))?;
                    block.copy_from_slice(bytes);
                    Ok(())
                })
            });
            block.transpose()
        };
        let transport = self.text("transportStatus");
        let transport = transport.as_ref().map_or("", |text| text.as_str()).to_ascii_lowercase();
        let (start, now) = (self.number("startRetryCounter")?, self.number("retryCounter")?);
        Ok(PasswordSecret::Own(ReferenceData {
            block: block("secret")?,
            puk: block("PUK")?,
            puk_uses: self.number("pukUsage")?.unwrap_or_default(),
            min_length: self.number("minimumLength")?.unwrap_or(4),
            max_length: self.number("maximumLength")?.unwrap_or(12),
            // An image that names neither is of a card whose PIN cannot be used.
            tries: now.or(start).unwrap_or_default(),
            start_tries: start.or(now).unwrap_or_default(),
            transport: match transport.as_str() {
                "" | "regularpassword" => TransportStatus::Regular,
                text if text.contains("leer") => TransportStatus::EmptyPin,
                _ => TransportStatus::TransportPin,
            },
        }))
    }

    /// The number is written as a PIN block: `26`, six digits, `F` to the end.
    fn connection_key(&self, of_folder: LifeCycle) -> Result<Option<ConnectionKey>, ImageError> {
        let Some(identifier) = self.number("keyIdentifier")? else { return Ok(None) };
        let digits = self.text("can").and_then(|block| {
            let digits = block.strip_prefix("26")?.trim_end_matches(['F', 'f']);
            Can::parse(&SecretText::new(digits.to_owned())).ok()
        });
        Ok(Some(ConnectionKey { guard: self.guard(of_folder), identifier, can: digits }))
    }

    fn private_key(&self, of_folder: LifeCycle) -> Result<Option<PrivateKey>, ImageError> {
        let Some(identifier) = self.number("keyIdentifier")? else { return Ok(None) };
        let is_available = self.text("keyAvailable").is_none_or(|flag| flag.eq_ignore_ascii_case("TRUE"));
        let is_brainpool = self.text("domainParameterOid").is_some_and(|curve| {
            curve.eq_ignore_ascii_case("brainpoolP256r1") || curve.as_str() == "1.3.36.3.3.2.8.1.1.7"
        });
        let d = self.bytes("privateKey")?.filter(|_| is_available && is_brainpool);
        Ok(Some(PrivateKey {
            guard: self.guard(of_folder),
            identifier,
            algorithms: self.algorithms(),
            secret: d.map(|d| scalar(&d).map(KeySecret::E256).ok_or_else(|| self.wrong("privateKey"))).transpose()?,
        }))
    }

    /// An RSA key whose numbers are absent or do not belong together is there in name only.
    fn rsa_key(&self, of_folder: LifeCycle) -> Result<Option<PrivateKey>, ImageError> {
        let Some(identifier) = self.number("keyIdentifier")? else { return Ok(None) };
        let is_available = self.text("keyAvailable").is_none_or(|flag| flag.eq_ignore_ascii_case("TRUE"));
        let number = |attribute| -> Result<Option<BoxedUint>, ImageError> {
            let bytes = self.bytes(attribute)?.filter(|bytes| bytes.len() <= MAX_MODULUS);
            Ok(bytes.map(|bytes| BoxedUint::from_be_slice_vartime(&bytes)))
        };
        let key = match (number("n")?, number("e")?, number("d")?, number("p")?, number("q")?) {
            (Some(n), Some(e), Some(d), Some(p), Some(q)) if is_available => {
                rsa::PrivateKey::from_components(n, e, d, vec![p, q]).ok()
            }
            _ => None,
        };
        Ok(Some(PrivateKey {
            guard: self.guard(of_folder),
            identifier,
            algorithms: self.algorithms(),
            secret: key.map(|key| KeySecret::Rsa(Box::new(key))),
        }))
    }

    /// `{[1,(signECDSA)],[2,(signECDSA,elcRoleAuthentication)]}`: for each security environment, the algorithms.
    fn algorithms(&self) -> Vec<(u8, String)> {
        let Some(text) = self.text("listAlgorithmIdentifier") else { return Vec::new() };
        let blocks = text.split('[').filter_map(|block| block.split_once(','));
        let names = |list: &str| -> Vec<String> {
            list.split(['(', ')', ']', '}', ',']).filter(|name| !name.is_empty()).map(str::to_owned).collect()
        };
        blocks
            .filter_map(|(number, list)| Some((u8::from_str_radix(number, 16).ok()?, names(list))))
            .flat_map(|(number, names)| names.into_iter().map(move |name| (number, name)))
            .collect()
    }
}

fn named(node: &Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}

fn child<'a, 'xml>(node: Node<'a, 'xml>, name: &str, id: &str) -> Option<Node<'a, 'xml>> {
    node.children().find(|node| named(node, name) && node.attribute("id") == Some(id))
}

/// The text directly in an element, without white space; comments may lie between its parts.
fn content(node: Node<'_, '_>) -> Zeroizing<String> {
    let parts = node.children().filter(Node::is_text).filter_map(|part| part.text());
    let length = parts.clone().map(str::len).sum();
    // Room for all of it at once: a string that grows leaves copies of a key behind.
    let mut text = Zeroizing::new(String::with_capacity(length));
    text.extend(parts.flat_map(str::chars).filter(|c| !c.is_whitespace()));
    text
}

fn is_set(text: &str) -> bool {
    !text.is_empty() && !text.eq_ignore_ascii_case("AttributeNotSet") && !text.eq_ignore_ascii_case("Wildcard")
}

/// A state this card does not know is the worst one.
fn life_cycle(word: &str) -> LifeCycle {
    LifeCycle::parse(word).unwrap_or(LifeCycle::Terminated)
}

fn hex_bytes(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; text.len() / 2]);
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

/// A number of at most 32 bytes, written with fewer or more leading zeros.
fn scalar(bytes: &[u8]) -> Option<SecretBytes<32>> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let digits = bytes.get(start..)?;
    SecretBytes::filled(|scalar| {
        let room = scalar.len().checked_sub(digits.len()).and_then(|at| scalar.get_mut(at..)).ok_or(())?;
        room.copy_from_slice(digits);
        Ok::<_, ()>(())
    })
    .ok()
}
