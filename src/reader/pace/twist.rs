//! brainpoolP256r1 by way of its twist: the points of brainpoolP256t1 are the same group in other coordinates, with a
//! coefficient of -3 that makes adding and doubling a fifth cheaper (RFC 5639, 2.2 and 3.4).

use bp256::BrainpoolP256r1;
use bp256::elliptic_curve::PublicKey;
use bp256::elliptic_curve::ff::PrimeField as _;
use bp256::elliptic_curve::hazmat::FieldArithmetic;
use bp256::elliptic_curve::point::AffineCoordinates;
use bp256::t1::{AffinePoint, ProjectivePoint};
use zeroize::Zeroizing;

/// An element of the field both curves are defined over.
type Field = <BrainpoolP256r1 as FieldArithmetic>::FieldElement;

/// The isomorphism (x, y) ↦ (x·Z², y·Z³) and its inverse, big endian. Z is from RFC 5639, 3.4.
const Z2: [u8; 32] = *b"\x82\xbc\x2e\xb2\x3a\x37\xe6\x2a\xd4\x84\x3d\xf8\xcf\xfd\x58\x8a\
    \xad\x32\xa6\x1e\x81\xa9\xad\x97\x0b\x3f\xbd\x11\x2a\xdb\x92\x3f";
const Z3: [u8; 32] = *b"\x84\x25\x78\x58\x9f\xb6\xc8\xe9\x83\xec\xc3\xd1\x19\x48\x94\xad\
    \x7a\x79\xf3\x85\xaf\xab\xee\x71\x7c\x45\xc8\x25\x96\x85\x99\x8b";
const Z2_INVERSE: [u8; 32] = *b"\x79\x83\x8c\x22\xd2\xb8\xdc\x9a\xf2\xe6\xcf\x56\xf8\x82\x6d\xc3\
    \xdf\xe1\x0f\xcb\x17\xb6\xaa\xaf\x55\x1e\xe5\x2b\xef\x12\xf8\x26";
const Z3_INVERSE: [u8; 32] = *b"\x04\x2c\xc3\x78\xeb\x15\xe5\x1d\x62\x59\xeb\xb6\x57\x40\x95\x5a\
    \x83\x8b\xc0\xbf\xdc\xec\x22\x74\x32\xa4\x18\x79\x49\x20\x06\xa2";

/// A coordinate times a constant. The constants are below the field's prime, and so are coordinates of points.
fn scaled(coordinate: &[u8; 32], by: [u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
    let [coordinate, by] = [*coordinate, by].map(|bytes| Option::<Field>::from(Field::from_repr(bytes.into())));
    Some(Zeroizing::new((coordinate? * by?).to_repr().into()))
}

/// The point on the twist. `None` never comes of a point that is on its curve.
pub(super) fn to_twist(point: &PublicKey<BrainpoolP256r1>) -> Option<ProjectivePoint> {
    let (x, y) = (point.as_affine().x().into(), point.as_affine().y().into());
    let (x, y) = (scaled(&x, Z2)?, scaled(&y, Z3)?);
    let point: Option<AffinePoint> = AffinePoint::from_coordinates(&(*x).into(), &(*y).into()).into();
    point.map(ProjectivePoint::from)
}

/// The point back from the twist; `None` at infinity.
pub(super) fn from_twist(point: &ProjectivePoint) -> Option<PublicKey<BrainpoolP256r1>> {
    let point = point.to_affine();
    let (x, y) = (scaled(&point.x().into(), Z2_INVERSE)?, scaled(&point.y().into(), Z3_INVERSE)?);
    let point: Option<bp256::r1::AffinePoint> =
        bp256::r1::AffinePoint::from_coordinates(&(*x).into(), &(*y).into()).into();
    PublicKey::from_affine(point?).ok()
}

/// The x coordinate on brainpoolP256r1, 32 bytes big endian; `None` at infinity.
pub(super) fn x_from_twist(point: &ProjectivePoint) -> Option<Zeroizing<[u8; 32]>> {
    let point = point.to_affine();
    let is_infinity = bool::from(point.is_identity());
    if is_infinity { None } else { scaled(&Zeroizing::new(point.x().into()), Z2_INVERSE) }
}

#[cfg(test)]
mod tests {
    use bp256::elliptic_curve::{Generate as _, SecretKey};

    use super::*;

    /// Z as RFC 5639 has it, 3.4.
    const Z: &str = "3E2D4BD9597B58639AE7AA669CAB9837CF5CF20A2C852D10F655668DFC150EF0";

    #[test]
    fn the_constants_are_those_of_the_specification() {
        let field = |bytes: [u8; 32]| Field::from_repr(bytes.into()).unwrap();
        let z: [u8; 32] = hex::decode(Z).unwrap().try_into().unwrap();
        let z = field(z);
        assert_eq!(field(Z2), z * z);
        assert_eq!(field(Z3), z * z * z);
        assert_eq!(field(Z2) * field(Z2_INVERSE), Field::ONE);
        assert_eq!(field(Z3) * field(Z3_INVERSE), Field::ONE);
    }

    #[test]
    fn products_are_the_same_on_both_curves() {
        let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
        let generator = PublicKey::from_affine(bp256::r1::AffinePoint::GENERATOR).unwrap();
        assert_eq!(to_twist(&generator).unwrap(), ProjectivePoint::GENERATOR);
        for _ in 0..20 {
            let [one, other] = [(); 2].map(|()| SecretKey::<BrainpoolP256r1>::generate_from_rng(&mut rng));
            let twisted = to_twist(&one.public_key()).unwrap();
            assert_eq!(from_twist(&twisted), Some(one.public_key()));
            let product = bp256::r1::ProjectivePoint::from(*one.public_key().as_affine()) * *other.to_nonzero_scalar();
            let by_way = twisted * *other.to_nonzero_scalar();
            assert_eq!(from_twist(&by_way).unwrap().as_affine(), &product.to_affine());
            assert_eq!(*x_from_twist(&by_way).unwrap(), <[u8; 32]>::from(product.to_affine().x()));
        }
        assert_eq!(from_twist(&ProjectivePoint::IDENTITY), None);
        assert!(x_from_twist(&ProjectivePoint::IDENTITY).is_none());
    }
}
