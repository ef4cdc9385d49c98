//! The order of the layers: a module imports only modules above it. The list is the one in `src/lib.rs` and
//! `docs/architecture.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Top-most last: each may import those before it.
const LAYERS: [&str; 16] = [
    "secret",
    "disk",
    "chip",
    "apdu",
    "reader",
    "egk",
    "identity",
    "pki",
    "jose",
    "voprf",
    "device_key",
    "protocol",
    "virtual_card",
    "server",
    "client",
    "ui",
];
/// Beside the order: the service knows no cards, readers, screens.
const NEVER: [(&str, &[&str]); 1] = [("server", &["reader", "egk", "virtual_card", "device_key", "client", "ui"])];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The layer a file belongs to; `None` for `lib.rs` and the programs.
fn layer_of(path: &Path) -> Option<String> {
    let below = path.strip_prefix("src").unwrap();
    let first = below.components().next().unwrap().as_os_str().to_str().unwrap();
    let name = first.trim_end_matches(".rs");
    (!["lib", "bin"].contains(&name)).then(|| name.to_owned())
}

/// The modules of this crate a text names: `crate::x` anywhere outside comments, and in grouped imports.
fn imports(text: &str) -> BTreeSet<String> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            let group = group.split_once("};").map_or(group, |(group, _)| group);
            let mut depth = 0;
            for part in group.split_inclusive([',', '{', '}']) {
                if depth == 0 {
                    found.insert(
                        part.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned(),
                    );
                }
                depth += part.matches('{').count();
                depth -= part.matches('}').count().min(depth);
            }
        } else {
            found.insert(rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned());
        }
    }
    found.retain(|module| LAYERS.contains(&module.as_str()));
    found
}

#[test]
fn imports_point_up_the_list_only() {
    let order = |layer: &str| LAYERS.iter().position(|name| *name == layer);
    let mut seen = BTreeSet::new();
    for path in sources(Path::new("src")) {
        let Some(layer) = layer_of(&path) else { continue };
        let own = order(&layer).unwrap_or_else(|| panic!("{layer} stands in no list of layers"));
        seen.insert(layer.clone());
        for import in imports(&std::fs::read_to_string(&path).unwrap()) {
            let other = order(&import).unwrap();
            assert!(other <= own, "{}: {layer} must not import {import}", path.display());
            for (who, whom) in NEVER {
                assert!(who != layer || !whom.contains(&import.as_str()), "{}: never {import}", path.display());
            }
        }
    }
    assert_eq!(seen.len(), LAYERS.len(), "a layer of the list is not there");
}

/// Otherwise a module could reach another layer without naming the crate.
#[test]
fn no_path_climbs_out_of_its_layer() {
    for path in sources(Path::new("src")) {
        let below = path.strip_prefix("src").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        // `src/a.rs` is one module deep, `src/a/b.rs` two. A test module inside climbs one more.
        let depth = below.components().count();
        let climbs = |text: &str, steps: usize| text.contains(&"super::".repeat(steps));
        let (code, tests) = text.split_once("#[cfg(test)]\nmod tests").unwrap_or((&text, ""));
        assert!(!climbs(code, depth) && !climbs(tests, depth + 1), "{}", path.display());
    }
}

#[test]
fn the_lists_in_code_and_docs_are_this_one() {
    for file in ["src/lib.rs", "docs/architecture.md"] {
        let text = std::fs::read_to_string(file).unwrap();
        let rows: Vec<_> = text
            .lines()
            .filter_map(|line| line.trim_start_matches("//!").trim().strip_prefix('|'))
            .filter_map(|row| row.split('|').next())
            .map(|cell| cell.trim().trim_matches(['`', '[', ']']).to_owned())
            .filter(|cell| LAYERS.contains(&cell.as_str()))
            .collect();
        assert_eq!(rows, LAYERS, "{file}");
    }
}

#[test]
fn only_jose_signs_with_the_cards_key() {
    for path in sources(Path::new("src")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.to_str().unwrap();
        let calls = text.contains("AuthKey::sign(") || text.contains("auth_key().sign(");
        assert_eq!(calls, name == "src/jose/card.rs", "{name}");
        // The card signs any 32 bytes: the command that makes it sign takes a message, and hashes it itself.
        let commands = text.contains("commands::pso_compute_digital_signature(");
        assert_eq!(commands, name == "src/egk/key.rs", "{name}");
    }
}

/// A chip signs any 24 bytes, too: the command takes a nonce that is derived where both sides derive it.
#[test]
fn a_chip_is_asked_in_one_place_and_only_for_what_was_derived() {
    for path in sources(Path::new("src")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let (code, _) = text.split_once("#[cfg(test)]\nmod tests").unwrap_or((&text, ""));
        let name = path.to_str().unwrap();
        let asks = code.contains("commands::internal_authenticate(");
        assert_eq!(asks, name == "src/egk/presence.rs", "{name}");
        let derives = code.contains("PresenceNonce::derive(");
        assert_eq!(derives, name == "src/protocol/presence.rs", "{name}");
        let makes = code.matches("PresenceNonce(").count();
        assert_eq!(makes, usize::from(name == "src/chip.rs"), "{name}: made by its derivation only");
        let by_hand = code.contains("0x88, 0x00, 0x00)");
        assert_eq!(by_hand, name == "src/apdu/commands.rs", "{name}: no command is put together elsewhere");
    }
}

/// A row of the threat model whose test is gone would claim what nothing shows.
#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let folders = ["src", "tests"].map(|folder| sources(Path::new(folder)));
    let all: String = folders.concat().iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let model = std::fs::read_to_string("docs/threat-model.md").unwrap();
    let quoted = model.split('`').skip(1).step_by(2);
    let is_test =
        |name: &&str| name.len() > 17 && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    let tests: Vec<_> = quoted.filter(is_test).collect();
    assert!(tests.len() > 200, "{}", tests.len());
    for test in tests {
        assert!(all.contains(&format!("fn {test}(")), "{test}");
    }
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "use crate::apdu::{CommandApdu, tlv};\nuse crate::{reader::CardChannel, egk::{Egk, pin}, pki};\n\
                // crate::ui\nfn f() { crate::jose::json::read(x) }";
    let found: Vec<_> = imports(text).into_iter().collect();
    assert_eq!(found, ["apdu", "egk", "jose", "pki", "reader"]);
}
