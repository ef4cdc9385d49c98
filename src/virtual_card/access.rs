//! Access rules as gematik's card images write them: which command an object allows, and on what condition.
//!
//! ```text
//! rules     = interface { "," interface }
//! interface = ( "CB" | "CL" ) "{" block { "," block } "}"             with contacts, contactless
//! block     = "[" state "," SE number "," "{" entry { "," entry } "}" "]"
//! entry     = "(" "{" pattern { "," pattern } "}" "," condition ")"
//! pattern   = CLA "||" INS "||" P1 "||" P2                             hex digits, ? stands for any
//! condition = name [ "(" argument ")" | "{" condition { "," condition } "}" ]
//! ```
//!
//! What cannot be read or evaluated is refused: an unknown name is a condition that nothing fulfils, and text that does
//! not follow the grammar grants nothing.

/// Longest text of rules that is read. The longest known has about 3000 characters.
const MAX_TEXT: usize = 64 * 1024;
/// Deepest nesting of conditions. The images use four.
const MAX_DEPTH: usize = 16;

/// The interface a command comes in on; each has its own rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interface {
    /// `CB`: with contacts.
    Contact,
    /// `CL`: contactless.
    Contactless,
}

/// Life cycle state of an object (gemSpec_COS, 8.1.2). Ordered: a folder's state overrules a better one of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LifeCycle {
    /// In use.
    Activated,
    /// Switched off by its issuer; can be switched on again.
    Deactivated,
    /// Out of use for ever.
    Terminated,
}

impl LifeCycle {
    /// Reads the word of an image: `ACTIVATED`, also as `Operational state (activated)`. `None` for states this card
    /// does not know.
    pub(super) fn parse(word: &str) -> Option<Self> {
        let word = word.to_ascii_uppercase();
        let states =
            [("DEACTIVATED", Self::Deactivated), ("ACTIVATED", Self::Activated), ("TERMINATED", Self::Terminated)];
        states.into_iter().find(|(name, _)| word.contains(name)).map(|(_, state)| state)
    }
}

/// What the card has been shown so far, as conditions ask for it.
pub(super) trait SecurityState {
    /// Whether the password with this reference is verified, or needs no verification.
    fn is_verified(&self, password: u8) -> bool;

    /// Whether the command came secured under keys that the key with this reference has agreed on.
    fn is_secured_by(&self, key: u8) -> bool;

    /// Whether the command came secured at all, so that its answer goes out encrypted.
    fn is_secured(&self) -> bool;

    /// Whether the command's data came encrypted, or it has none.
    fn is_encrypted(&self) -> bool;
}

/// The access rules of one object.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct AccessRules(Vec<Block>);

/// The rules for one interface, life cycle state and security environment; `None` stands for any.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    interface: Interface,
    state: Option<LifeCycle>,
    environment: Option<u8>,
    entries: Vec<Entry>,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    patterns: Vec<Pattern>,
    condition: Condition,
}

/// CLA, INS, P1 and P2: the bits that count, and what they must be.
#[derive(Debug, PartialEq, Eq)]
struct Pattern {
    mask: u32,
    value: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Condition {
    Always,
    Password(u8),
    /// `SMMAC`: secured under the keys of this key.
    SecuredBy(u8),
    /// `SMCMDENC`: the command's data are encrypted.
    CommandEncrypted,
    /// `SMRSPENC`: the answer's data go out encrypted, as this card always does in a secured session.
    AnswerEncrypted,
    And(Vec<Condition>),
    Or(Vec<Condition>),
    /// A condition this card cannot evaluate.
    Never,
}

impl AccessRules {
    /// Reads the text of an image. Never fails: what cannot be read grants nothing.
    pub(super) fn parse(text: &str) -> Self {
        let mut rules = Self::default();
        if text.len() > MAX_TEXT {
            return rules;
        }
        let text: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let mut parser = Parser(&text);
        while let Some(blocks) = parser.interface() {
            rules.0.extend(blocks);
        }
        rules
    }

    /// Whether the object allows the command with this header; if so, the passwords it rests on.
    pub(super) fn permit(
        &self,
        interface: Interface,
        life_cycle: LifeCycle,
        environment: u8,
        header: [u8; 4],
        state: &impl SecurityState,
    ) -> Option<Vec<u8>> {
        let header = u32::from_be_bytes(header);
        self.0
            .iter()
            .filter(|block| block.interface == interface)
            .filter(|block| block.state.is_none_or(|state| state == life_cycle))
            .filter(|block| block.environment.is_none_or(|number| number == environment))
            .flat_map(|block| &block.entries)
            .filter(|entry| entry.patterns.iter().any(|pattern| header & pattern.mask == pattern.value))
            .find_map(|entry| entry.condition.fulfilled(state))
    }
}

impl Pattern {
    fn parse(text: &[u8]) -> Option<Self> {
        let [c1, c2, b'|', b'|', i1, i2, b'|', b'|', p1, p2, b'|', b'|', q1, q2] = *text else { return None };
        let mut pattern = Self { mask: 0, value: 0 };
        for digit in [c1, c2, i1, i2, p1, p2, q1, q2] {
            let (mask, value) = if digit == b'?' { (0, 0) } else { (0xF, char::from(digit).to_digit(16)?) };
            pattern = Self { mask: pattern.mask << 4 | mask, value: pattern.value << 4 | value };
        }
        Some(pattern)
    }
}

impl Condition {
    /// `Some` when fulfilled, with the passwords that were needed for it.
    fn fulfilled(&self, state: &impl SecurityState) -> Option<Vec<u8>> {
        match self {
            Self::Always => Some(Vec::new()),
            Self::Password(reference) => state.is_verified(*reference).then(|| vec![*reference]),
            Self::SecuredBy(key) => state.is_secured_by(*key).then(Vec::new),
            Self::CommandEncrypted => state.is_encrypted().then(Vec::new),
            Self::AnswerEncrypted => state.is_secured().then(Vec::new),
            Self::And(parts) if parts.is_empty() => None,
            Self::And(parts) => {
                let all: Option<Vec<_>> = parts.iter().map(|part| part.fulfilled(state)).collect();
                all.map(|passwords| passwords.concat())
            }
            Self::Or(parts) => parts.iter().find_map(|part| part.fulfilled(state)),
            Self::Never => None,
        }
    }
}

/// What is left of the text, without white space. Commas between items may be missing or doubled.
struct Parser<'a>(&'a [u8]);

impl<'a> Parser<'a> {
    fn interface(&mut self) -> Option<Vec<Block>> {
        self.skip_commas();
        let interface = match self.word() {
            b"CB" => Interface::Contact,
            b"CL" => Interface::Contactless,
            _ => return None,
        };
        self.list(b'{', b'}', |parser| parser.block(interface))
    }

    fn block(&mut self, interface: Interface) -> Option<Block> {
        self.expect(b'[')?;
        let state = self.word();
        self.expect(b',')?;
        let environment = match self.word() {
            b"??" => None,
            word => Some(std::str::from_utf8(word).ok()?.parse().ok()?),
        };
        self.expect(b',')?;
        let mut entries = self.list(b'{', b'}', Self::entry)?;
        self.expect(b']')?;
        let is_any = state == b"??";
        let state = LifeCycle::parse(&String::from_utf8_lossy(state));
        if state.is_none() && !is_any {
            entries.clear(); // rules for a state that no object is ever in
        }
        Some(Block { interface, state, environment, entries })
    }

    fn entry(&mut self) -> Option<Entry> {
        self.expect(b'(')?;
        let patterns = self.list(b'{', b'}', Self::pattern)?;
        self.expect(b',')?;
        let condition = self.condition(MAX_DEPTH)?;
        self.expect(b')')?;
        Some(Entry { patterns: patterns.into_iter().flatten().collect(), condition })
    }

    /// A pattern of another shape is read over: it matches no command.
    fn pattern(&mut self) -> Option<Option<Pattern>> {
        let end = self.0.iter().position(|byte| matches!(byte, b',' | b'}')).filter(|end| *end > 0)?;
        Some(Pattern::parse(self.take(end)))
    }

    fn condition(&mut self, depth: usize) -> Option<Condition> {
        let depth = depth.checked_sub(1)?;
        let name = self.word();
        if self.next_is(b'{') {
            let parts = self.list(b'{', b'}', |parser| parser.condition(depth))?;
            return Some(match name {
                b"AND" => Condition::And(parts),
                b"OR" => Condition::Or(parts),
                _ => Condition::Never,
            });
        }
        if self.next_is(b'(') {
            self.expect(b'(')?;
            let end = self.0.iter().position(|byte| *byte == b')')?;
            let argument = self.take(end);
            self.expect(b')')?;
            let reference = std::str::from_utf8(argument).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok());
            return Some(match (name, reference) {
                (b"PWD", Some(reference)) => Condition::Password(reference),
                (b"SMMAC", Some(reference)) => Condition::SecuredBy(reference),
                _ => Condition::Never,
            });
        }
        match name {
            b"" => None,
            b"ALW" => Some(Condition::Always),
            b"SMCMDENC" => Some(Condition::CommandEncrypted),
            b"SMRSPENC" => Some(Condition::AnswerEncrypted),
            _ => Some(Condition::Never),
        }
    }

    /// Reads items between `open` and `close`.
    fn list<T>(&mut self, open: u8, close: u8, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.expect(open)?;
        let mut items = Vec::new();
        loop {
            self.skip_commas();
            if self.next_is(close) {
                self.expect(close)?;
                return Some(items);
            }
            items.push(item(self)?);
        }
    }

    /// Takes letters, digits, `_` and `?`; possibly none.
    fn word(&mut self) -> &'a [u8] {
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'?');
        self.take(self.0.iter().position(|byte| !is_word(byte)).unwrap_or(self.0.len()))
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at_checked(length).unwrap_or((self.0, &[]));
        self.0 = rest;
        taken
    }

    fn next_is(&self, byte: u8) -> bool {
        self.0.first() == Some(&byte)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        (*first == byte).then_some(())
    }

    fn skip_commas(&mut self) {
        while let Some(rest) = self.0.strip_prefix(b",") {
            self.0 = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use LifeCycle::{Activated, Deactivated, Terminated};

    struct Verified(&'static [u8]);

    impl SecurityState for Verified {
        fn is_verified(&self, password: u8) -> bool {
            self.0.contains(&password)
        }

        fn is_secured_by(&self, _: u8) -> bool {
            false
        }

        fn is_secured(&self) -> bool {
            false
        }

        fn is_encrypted(&self) -> bool {
            false
        }
    }

    /// Secured under the keys of key 2, with data that are encrypted or not.
    struct Secured(bool);

    impl SecurityState for Secured {
        fn is_verified(&self, _: u8) -> bool {
            false
        }

        fn is_secured_by(&self, key: u8) -> bool {
            key == 2
        }

        fn is_secured(&self) -> bool {
            true
        }

        fn is_encrypted(&self) -> bool {
            self.0
        }
    }

    const READ: [u8; 4] = [0x00, 0xB0, 0x81, 0x00];
    const SIGN: [u8; 4] = [0x00, 0x2A, 0x9E, 0x9A];

    fn permits(rules: &str, life_cycle: LifeCycle, environment: u8, header: [u8; 4], verified: &'static [u8]) -> bool {
        AccessRules::parse(rules)
            .permit(Interface::Contact, life_cycle, environment, header, &Verified(verified))
            .is_some()
    }

    #[test]
    fn rules_say_what_is_allowed_and_when() {
        let read = "CB{ [ACTIVATED,1,{ ({00||b0||??||??},ALW) }]}";
        let guarded = "CB{\n\t[ACTIVATED , 1,{\n\t({00||e4||00||00}, OR{SMMAC(13),SMMAC(18)}),\n\t\
                       ({00||B0||??||??,00||0e||??||??},\n\t\tOR{PWD(02), AND{PWD(01),AUTCHAT(cvc_FlagList_TI:00000004000000)}})}]},\
                       CL{ [ACTIVATED,1,{ ({00||b0||??||??},AND{SMMAC(02),SMRSPENC}) }]}";
        let two_states = "CB{[ACTIVATED,1,{({00||b0||??||??},ALW)}],[DEACTIVATED,??,{({00||44||00||00},PWD(8c))}]}";
        let two_environments =
            "CB{[ACTIVATED,1,{({00||2a||9e||9a},PWD(81))}],[ACTIVATED,2,{({00||2a||9e||9a},AND{PWD(81),SMCMDENC})}]}";
        let activate = [0x00, 0x44, 0x00, 0x00];
        type Case = (&'static str, LifeCycle, u8, [u8; 4], &'static [u8], bool);
        let cases: [Case; 22] = [
            (read, Activated, 1, READ, &[], true),
            (read, Activated, 1, [0x00, 0xB0, 0x7F, 0xFF], &[], true),
            (read, Activated, 1, [0x80, 0xB0, 0x81, 0x00], &[], false),
            (read, Activated, 1, [0x00, 0xD6, 0x81, 0x00], &[], false),
            ("CB{[CREATION,1,{({00||b0||??||??},ALW)}],[??,??,{}]}", Terminated, 1, READ, &[], false),
            ("CB{[??,??,{({00||b0||??||??},ALW)}]}", Terminated, 1, READ, &[], true),
            ("CB{[ACTIVATED,1,{({00||b0},ALW),({00||d6,00||b0||8?||??},ALW)}]}", Activated, 1, READ, &[], true),
            (read, Activated, 2, READ, &[], false),
            (read, Deactivated, 1, READ, &[], false),
            (read, Terminated, 1, READ, &[], false),
            (guarded, Activated, 1, READ, &[], false),
            (guarded, Activated, 1, READ, &[1], false),
            (guarded, Activated, 1, READ, &[2], true),
            (guarded, Activated, 1, [0x00, 0xE4, 0x00, 0x00], &[1, 2], false),
            (two_states, Activated, 1, activate, &[0x8C], false),
            (two_states, Deactivated, 1, activate, &[0x8C], true),
            (two_states, Deactivated, 7, activate, &[0x8C], true),
            (two_states, Deactivated, 1, activate, &[0x0C], false),
            (two_states, Deactivated, 1, READ, &[0x8C], false),
            (two_environments, Activated, 1, SIGN, &[0x81], true),
            (two_environments, Activated, 2, SIGN, &[0x81], false),
            (two_environments, Activated, 3, SIGN, &[0x81], false),
        ];
        for (rules, life_cycle, environment, header, verified, expected) in cases {
            let shown = hex::encode(header);
            assert_eq!(
                permits(rules, life_cycle, environment, header, verified),
                expected,
                "{rules} {life_cycle:?} {environment} {shown} {verified:?}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_or_evaluated_is_refused() {
        let nested = format!("CB{{[ACTIVATED,1,{{({{00||b0||??||??}},{}ALW{})}}]}}", "AND{".repeat(99), "}".repeat(99));
        for rules in [
            "",
            "ALW",
            "CB",
            "CB{",
            "XB{[ACTIVATED,1,{({00||b0||??||??},ALW)}]}",
            "CB{[ACTIVATED,1,{({00||b0||??||??},MAYBE)}]}",
            "CB{[ACTIVATED,1,{({00||b0||??||??},MAYBE(ALW))}]}",
            "CB{[ACTIVATED,1,{({00||b0||??||??},NOT{SMCMDENC})}]}",
            "CB{[ACTIVATED,1,{({00||b0||??||??},AND{})}]}",
            "CB{[ACTIVATED,1,{({00||b0||??||??},OR{})}]}",
            "CB{[ACTIVATED,1,{({00||b0||??||??},AND{ALW,PWD(zz)})}]}",
            "CB{[ACTIVATED,1,{({00||b0||??||??},ALW)}",
            "CB{[ACTIVATED,1,{({00||b0||??},ALW)}]}",
            "CB{[ACTIVATED,1,{({00||b0||?||?},ALW)}]}",
            "CB{[CREATION,1,{({00||b0||??||??},ALW)}]}",
            "CB{[ACTIVATED,one,{({00||b0||??||??},ALW)}]}",
            "CL{[ACTIVATED,1,{({00||b0||??||??},ALW)}]}",
            nested.as_str(),
        ] {
            assert!(!permits(rules, Activated, 1, READ, &[1, 2]), "{rules}");
        }
    }

    #[test]
    fn the_contactless_rules_of_an_image_are_read_too() {
        let rules = AccessRules::parse(
            "CB{[ACTIVATED,1,{({00||b0||??||??},ALW)}]},CL{[ACTIVATED,1,{({00||b0||??||??},PWD(02))}]}",
        );
        let on = |interface, verified| rules.permit(interface, Activated, 1, READ, &Verified(verified));
        assert_eq!(on(Interface::Contact, &[]), Some(vec![]));
        assert_eq!(on(Interface::Contactless, &[]), None);
        assert_eq!(on(Interface::Contactless, &[2]), Some(vec![2]));
    }

    #[test]
    fn what_comes_secured_and_encrypted_is_told_apart() {
        let rules =
            |condition: &str| AccessRules::parse(&format!("CL{{[ACTIVATED,1,{{({{00||b0||??||??}},{condition})}}]}}"));
        let permits = |condition, encrypted| {
            rules(condition).permit(Interface::Contactless, Activated, 1, READ, &Secured(encrypted)).is_some()
        };
        for (condition, plain, encrypted) in [
            ("SMMAC(02)", true, true),
            ("SMMAC(13)", false, false),
            ("SMMAC(cvc_FlagList_CMS:00800000000000)", false, false),
            ("SMCMDENC", false, true),
            ("SMRSPENC", true, true),
            ("AND{SMMAC(02),SMCMDENC,SMRSPENC}", false, true),
            ("AND{SMMAC(13),SMCMDENC,SMRSPENC}", false, false),
            ("OR{SMMAC(13),AND{SMMAC(02),SMRSPENC}}", true, true),
            ("AND{SMMAC(02),PWD(02)}", false, false),
        ] {
            assert_eq!((permits(condition, false), permits(condition, true)), (plain, encrypted), "{condition}");
        }
        let state = &Secured(true);
        let contact = AccessRules::parse("CB{[ACTIVATED,1,{({00||b0||??||??},SMMAC(02))}]}");
        assert!(contact.permit(Interface::Contactless, Activated, 1, READ, state).is_none());
    }

    #[test]
    fn a_permission_names_the_passwords_it_rests_on() {
        let rules =
            AccessRules::parse("CB{[ACTIVATED,1,{({00||b0||??||??},AND{PWD(01),OR{PWD(05),SMCMDENC,PWD(02)}})}]}");
        let permit = |verified| rules.permit(Interface::Contact, Activated, 1, READ, &Verified(verified));
        assert_eq!(permit(&[1, 2]), Some(vec![1, 2]));
        assert_eq!(permit(&[1, 2, 5]), Some(vec![1, 5]));
        assert_eq!(permit(&[2, 5]), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "[ACTIVEDORPWLBN0-9a-f|?,(){}\\[\\]: ]{0,300}", any in any::<String>()) {
            for text in [text, any] {
                let _ = AccessRules::parse(&text).permit(Interface::Contact, Activated, 1, READ, &Verified(&[1, 2]));
            }
        }
    }
}
