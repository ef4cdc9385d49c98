//! Settings about health cards.

use super::Config;
use super::read::{Row, Value, Wrong, with_default};
use super::rows::keep;
use crate::pki::cvc::{CvcRootError, CvcRoots as _, ProductionCvcRoots, TestCvcRoots};
use crate::pki::{AnchorError, Anchors, ProductionAnchors, TestAnchors};

pub(super) const CARDS: &[Row<Config>] = &[
    with_default(
        "payer_iks",
        "[]",
        "Numbers (IK, nine digits) of the insurers whose cards are accepted.",
        keep!(|config, value| config.settings.payer_iks, value.each(|ik| ik.parsed("an IK has nine digits"))),
    ),
    with_default("anchors", "[]", "Files (PEM) with CAs of real health cards.", |config, value| {
        let mut anchors = ProductionAnchors::default();
        add(value, |pem| anchors.add_pem(pem))?;
        config.settings.anchors = Box::new(anchors);
        Ok(())
    }),
    with_default(
        "test_anchors",
        "[]",
        "Files (PEM) with CAs of test cards, in place of `anchors`. Never for real people.",
        |config, value| {
            let mut anchors = TestAnchors::default();
            add(value, |pem| anchors.add_pem(pem))?;
            match (config.settings.anchors.issuers(), anchors.issuers()) {
                (_, []) => Ok(()),
                ([], _) => {
                    config.settings.anchors = Box::new(anchors);
                    Ok(())
                }
                _ => Err(Wrong::Impossible("either `anchors` or `test_anchors`: real cards and test cards never meet")),
            }
        },
    ),
    with_default(
        "cvc_roots",
        "[]",
        "Files with certificates (CVC) of the roots above the chips of real health cards, roots before those they vouch for. \
         Where the register has card numbers (column iccsn), people register computers with the chip alone.",
        |config, value| {
            let mut roots = ProductionCvcRoots::default();
            add_roots(value, |cvc| roots.add_certificate(cvc))?;
            config.settings.cvc_roots = Box::new(roots);
            Ok(())
        },
    ),
    with_default(
        "test_cvc_roots",
        "[]",
        "The same for chips of test cards, in place of `cvc_roots`. Never for real people.",
        |config, value| {
            let mut roots = TestCvcRoots::default();
            add_roots(value, |cvc| roots.add_certificate(cvc))?;
            match (config.settings.cvc_roots.roots(), roots.roots()) {
                (_, []) => Ok(()),
                ([], _) => {
                    config.settings.cvc_roots = Box::new(roots);
                    Ok(())
                }
                _ => Err(Wrong::Impossible(
                    "either `cvc_roots` or `test_cvc_roots`: real cards and test cards never meet",
                )),
            }
        },
    ),
    with_default(
        "tpm_roots",
        "[]",
        "Files (PEM) with CAs of makers of TPMs, those that issue the certificates of endorsement keys (ECC P-256). Device keys in \
         such a TPM are bound as keys in hardware; without any, every key counts as one in software.",
        |config, value| add(value, |pem| config.settings.tpm_roots.add_pem(pem)),
    ),
];

fn add(files: &Value<'_>, mut add: impl FnMut(&[u8]) -> Result<(), AnchorError>) -> Result<(), Wrong> {
    for (path, pem) in files.each(|file| file.file())? {
        add(&pem).map_err(|error| Wrong::Anchor(path, error))?;
    }
    Ok(())
}

fn add_roots(files: &Value<'_>, mut add: impl FnMut(&[u8]) -> Result<(), CvcRootError>) -> Result<(), Wrong> {
    for (path, cvc) in files.each(|file| file.file())? {
        add(&cvc).map_err(|error| Wrong::CvcRoot(path, error))?;
    }
    Ok(())
}
