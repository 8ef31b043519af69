//! Natural logarithms without a library call, so that loops over them vectorise.
//!
//! The polynomial is that of Cephes' `logf` (Moshier): below 2 units in the last place.

/// ln(x) for positive, finite, normal `x`; anything else gives a meaningless number, never a trap.
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    const SQRT_HALF: i32 = 0x3f35_04f3;
    let bits = x.to_bits() as i32;
    let exponent = bits.wrapping_sub(SQRT_HALF) >> 23;
    let mantissa = f32::from_bits(bits.wrapping_sub(exponent << 23) as u32);
    let (e, f) = (exponent as f32, mantissa - 1.0);
    let z = f * f;
    let mut y = 7.037_684e-2_f32;
    y = y * f - 1.151_461e-1;
    y = y * f + 1.167_699_9e-1;
    y = y * f - 1.242_014_1e-1;
    y = y * f + 1.424_932_3e-1;
    y = y * f - 1.666_805_8e-1;
    y = y * f + 2.000_071_5e-1;
    y = y * f - 2.499_999_4e-1;
    y = y * f + 0.333_333_3;
    y = y * f * z - e * 2.121_944_4e-4 - 0.5 * z;
    f + y + e * 0.693_359_4
}

/// ln(1 + z) for z > −1, exact also where 1 + z rounds to 1.
#[inline(always)]
pub fn ln1p(z: f32) -> f32 {
    let u = 1.0 + z;
    ln(u) + (z - (u - 1.0)) / u
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ln_is_close_to_the_library(exponent in -80.0f64..80.0) {
            let x = exponent.exp() as f32;
            let want = f64::from(x).ln();
            prop_assert!((f64::from(ln(x)) - want).abs() <= 2e-7 * want.abs().max(1.0), "{x} {want}");
        }

        #[test]
        fn ln1p_keeps_its_relative_error_near_zero(exponent in -30.0f64..0.9, negative: bool) {
            let size = exponent.exp();
            let z = if negative { -size.min(0.97) } else { size } as f32;
            let want = f64::from(z).ln_1p();
            prop_assert!((f64::from(ln1p(z)) - want).abs() <= 5e-7 * want.abs(), "{z} {want}");
        }
    }
}
