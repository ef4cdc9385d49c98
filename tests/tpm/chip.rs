//! swtpm with a state of its own, and a tap on the line to it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use std::str::FromStr as _;
use tss_esapi::Context;
use tss_esapi::abstraction::AsymmetricAlgorithmSelection;
use tss_esapi::abstraction::ek::create_ek_object_2;
use tss_esapi::attributes::{NvIndexAttributesBuilder, ObjectAttributesBuilder};
use tss_esapi::constants::PropertyTag;
use tss_esapi::handles::{AuthHandle, NvIndexTpmHandle};
use tss_esapi::interface_types::algorithm::{HashingAlgorithm, PublicAlgorithm};
use tss_esapi::interface_types::ecc::EccCurve;
use tss_esapi::interface_types::resource_handles::{Hierarchy, NvAuth, Provision};
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::{
    Auth, EccPoint, EccScheme, HashScheme, NvPublicBuilder, Public, PublicBuilder, PublicEccParametersBuilder,
    SymmetricDefinitionObject,
};
use tss_esapi::tcti_ldr::TctiNameConf;

use crate::common::tpm::Maker;

/// A TPM of its own. It ends with the value.
pub(crate) struct Chip {
    process: Child,
    port: u16,
    _state: tempfile::TempDir,
}

/// Two ports beside each other, for commands and control: the stack takes the second as given.
fn listeners() -> (TcpListener, TcpListener, u16) {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        if let Some(Ok(second)) = port.checked_add(1).map(|next| TcpListener::bind(("127.0.0.1", next))) {
            return (first, second, port);
        }
    }
}

impl Chip {
    pub(crate) fn start() -> Self {
        let state = tempfile::tempdir().unwrap();
        let (first, second, port) = listeners();
        drop((first, second));
        let process = Command::new("swtpm")
            .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
            .arg("--tpmstate")
            .arg(format!("dir={}", state.path().display()))
            .arg("--server")
            .arg(format!("type=tcp,port={port}"))
            .arg("--ctrl")
            .arg(format!("type=tcp,port={}", port + 1))
            .spawn()
            .unwrap();
        let chip = Self { process, port, _state: state };
        for _ in 0..200 {
            // The control port: a connection to the other would be the only one swtpm serves.
            if TcpStream::connect(("127.0.0.1", port + 1)).is_ok() {
                return chip;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("swtpm does not start");
    }

    pub(crate) fn tcti(&self) -> String {
        format!("swtpm:host=127.0.0.1,port={}", self.port)
    }

    /// Read on a line of its own: the stack remembers properties.
    pub(crate) fn lockout_counter(&self) -> Option<u32> {
        let mut context = Context::new(TctiNameConf::from_str(&self.tcti()).unwrap()).unwrap();
        context.get_tpm_property(PropertyTag::LockoutCounter).unwrap()
    }

    /// Somebody mistypes what opens a key that counts for the lockout.
    pub(crate) fn miss_a_key_that_counts(&self) {
        let mut context = Context::new(TctiNameConf::from_str(&self.tcti()).unwrap()).unwrap();
        let attributes = |signs: bool| {
            let attributes = ObjectAttributesBuilder::new().with_fixed_tpm(true).with_fixed_parent(true);
            let attributes = attributes.with_sensitive_data_origin(true).with_user_with_auth(true);
            attributes.with_sign_encrypt(signs).with_decrypt(!signs).with_restricted(!signs).build().unwrap()
        };
        let public = |signs, parameters: PublicEccParametersBuilder| {
            let public = PublicBuilder::new().with_public_algorithm(PublicAlgorithm::Ecc);
            let public = public.with_name_hashing_algorithm(HashingAlgorithm::Sha256);
            let public =
                public.with_object_attributes(attributes(signs)).with_ecc_parameters(parameters.build().unwrap());
            public.with_ecc_unique_identifier(EccPoint::default()).build().unwrap()
        };
        let (p256, aes) = (EccCurve::NistP256, SymmetricDefinitionObject::AES_128_CFB);
        let storage = public(false, PublicEccParametersBuilder::new_restricted_decryption_key(aes, p256));
        let scheme = EccScheme::EcDsa(HashScheme::new(HashingAlgorithm::Sha256));
        let signing = public(true, PublicEccParametersBuilder::new_unrestricted_signing_key(scheme, p256));
        context.set_sessions((Some(AuthSession::Password), None, None));
        let storage = context.create_primary(Hierarchy::Owner, storage, None, None, None, None).unwrap().key_handle;
        let auth = |byte: u8| Auth::try_from(vec![byte; 32]).unwrap();
        let made = context.create(storage, signing, Some(auth(7)), None, None, None).unwrap();
        let key = context.load(storage, made.out_private, made.out_public).unwrap();
        context.tr_set_auth(key.into(), auth(8)).unwrap();
        context.object_change_auth(key.into(), storage.into(), auth(9)).unwrap_err();
    }

    /// A TPM whose maker has certified its endorsement key, as real ones have it: template L-2, certificate at its index
    /// (TCG EK Credential Profile 2.5), in a place that is longer than it.
    pub(crate) fn certified_by(maker: &Maker) -> Self {
        let chip = Self::start();
        let mut context = Context::new(TctiNameConf::from_str(&chip.tcti()).unwrap()).unwrap();
        let key =
            create_ek_object_2(&mut context, AsymmetricAlgorithmSelection::Ecc(EccCurve::NistP256), None).unwrap();
        let (Public::Ecc { unique, .. }, ..) = context.read_public(key).unwrap() else { panic!("a key on a curve") };
        let point = [&[4], unique.x().value(), unique.y().value()].concat();
        let certificate = maker.certify(&p256::PublicKey::from_sec1_bytes(&point).unwrap());
        let place = [certificate, vec![0xFF; 16]].concat();
        let index = NvIndexTpmHandle::new(0x01C0_000A).unwrap();
        let attributes = NvIndexAttributesBuilder::new().with_pp_write(true).with_write_define(true);
        let attributes = attributes.with_pp_read(true).with_owner_read(true).with_auth_read(true);
        let attributes = attributes.with_no_da(true).with_platform_create(true).build().unwrap();
        let public = NvPublicBuilder::new().with_nv_index(index).with_index_attributes(attributes);
        let public = public.with_index_name_algorithm(HashingAlgorithm::Sha256).with_data_area_size(place.len());
        context.set_sessions((Some(AuthSession::Password), None, None));
        let handle = context.nv_define_space(Provision::Platform, None, public.build().unwrap()).unwrap();
        context.nv_write(NvAuth::Platform, handle, place.try_into().unwrap(), 0).unwrap();
        chip
    }

    /// Its owner gives the endorsement hierarchy a value.
    pub(crate) fn close_endorsement(&self) {
        let mut context = Context::new(TctiNameConf::from_str(&self.tcti()).unwrap()).unwrap();
        context.set_sessions((Some(AuthSession::Password), None, None));
        context.hierarchy_change_auth(AuthHandle::Endorsement, Auth::try_from(vec![7; 8]).unwrap()).unwrap();
    }

    /// A line to it on which somebody listens.
    pub(crate) fn tapped(&self) -> Tap {
        let (commands, control, port) = listeners();
        let heard = Arc::new(Mutex::new(Vec::new()));
        for (listener, to) in [(commands, self.port), (control, self.port + 1)] {
            let heard = heard.clone();
            thread::spawn(move || {
                for here in listener.incoming().map_while(Result::ok) {
                    let there = TcpStream::connect(("127.0.0.1", to)).unwrap();
                    copy(here.try_clone().unwrap(), there.try_clone().unwrap(), heard.clone());
                    copy(there, here, heard.clone());
                }
            });
        }
        Tap { port, heard }
    }
}

impl Drop for Chip {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, heard: Arc<Mutex<Vec<u8>>>) {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            heard.lock().unwrap().extend_from_slice(&buffer[..n]);
            if to.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}

/// Somebody listening.
pub(crate) struct Tap {
    port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    pub(crate) fn tcti(&self) -> String {
        format!("swtpm:host=127.0.0.1,port={}", self.port)
    }

    pub(crate) fn heard(&self) -> Vec<u8> {
        self.heard.lock().unwrap().clone()
    }
}
