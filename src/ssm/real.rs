//! float32 and float64 on the CPU's vectors: one text for both precisions.

use pulp::Simd;

/// A real number that comes in vectors.
pub(crate) trait Real: Copy + Default + Send + Sync + 'static {
    /// A vector of the CPU's own width.
    type V<S: Simd>: Copy;

    /// Rounded from float64.
    fn of(x: f64) -> Self;

    /// Widened to float64.
    fn wide(self) -> f64;

    /// One number in every lane.
    fn all<S: Simd>(simd: S, x: Self) -> Self::V<S>;

    /// `a + b`.
    fn add<S: Simd>(simd: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S>;

    /// `a − b`.
    fn sub<S: Simd>(simd: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S>;

    /// `a b`.
    fn mul<S: Simd>(simd: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S>;

    /// `a / b`.
    fn div<S: Simd>(simd: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S>;

    /// `a b + c`, with one rounding where the CPU can.
    fn fma<S: Simd>(simd: S, a: Self::V<S>, b: Self::V<S>, c: Self::V<S>) -> Self::V<S>;

    /// `c − a b`, the same.
    fn less<S: Simd>(simd: S, a: Self::V<S>, b: Self::V<S>, c: Self::V<S>) -> Self::V<S>;

    /// `numbers` as vectors; what does not fill one is left out.
    fn vectors<S: Simd>(numbers: &[Self]) -> &[Self::V<S>];

    /// The same, to be written.
    fn vectors_mut<S: Simd>(numbers: &mut [Self]) -> &mut [Self::V<S>];

    /// The sum of the lanes.
    fn total<S: Simd>(simd: S, vector: Self::V<S>) -> f64;
}

macro_rules! real {
    ($type:ty, $v:ident, $all:ident, $add:ident, $sub:ident, $mul:ident, $div:ident, $fma:ident, $less:ident,
     $vectors:ident, $vectors_mut:ident, $total:ident) => {
        impl Real for $type {
            type V<S: Simd> = S::$v;

            #[inline(always)]
            #[expect(clippy::allow_attributes, reason = "one of the two types needs no cast")]
            #[allow(clippy::cast_possible_truncation, reason = "rounding to the narrower type is what is asked for")]
            fn of(x: f64) -> Self {
                x as $type
            }

            #[inline(always)]
            fn wide(self) -> f64 {
                f64::from(self)
            }

            #[inline(always)]
            fn all<S: Simd>(simd: S, x: Self) -> S::$v {
                simd.$all(x)
            }

            #[inline(always)]
            fn add<S: Simd>(simd: S, a: S::$v, b: S::$v) -> S::$v {
                simd.$add(a, b)
            }

            #[inline(always)]
            fn sub<S: Simd>(simd: S, a: S::$v, b: S::$v) -> S::$v {
                simd.$sub(a, b)
            }

            #[inline(always)]
            fn mul<S: Simd>(simd: S, a: S::$v, b: S::$v) -> S::$v {
                simd.$mul(a, b)
            }

            #[inline(always)]
            fn div<S: Simd>(simd: S, a: S::$v, b: S::$v) -> S::$v {
                simd.$div(a, b)
            }

            #[inline(always)]
            fn fma<S: Simd>(simd: S, a: S::$v, b: S::$v, c: S::$v) -> S::$v {
                simd.$fma(a, b, c)
            }

            #[inline(always)]
            fn less<S: Simd>(simd: S, a: S::$v, b: S::$v, c: S::$v) -> S::$v {
                simd.$less(a, b, c)
            }

            #[inline(always)]
            fn vectors<S: Simd>(numbers: &[Self]) -> &[S::$v] {
                S::$vectors(numbers).0
            }

            #[inline(always)]
            fn vectors_mut<S: Simd>(numbers: &mut [Self]) -> &mut [S::$v] {
                S::$vectors_mut(numbers).0
            }

            #[inline(always)]
            fn total<S: Simd>(simd: S, vector: S::$v) -> f64 {
                f64::from(simd.$total(vector))
            }
        }
    };
}

real!(
    f32,
    f32s,
    splat_f32s,
    add_f32s,
    sub_f32s,
    mul_f32s,
    div_f32s,
    mul_add_e_f32s,
    negate_mul_add_e_f32s,
    as_simd_f32s,
    as_mut_simd_f32s,
    reduce_sum_f32s
);
real!(
    f64,
    f64s,
    splat_f64s,
    add_f64s,
    sub_f64s,
    mul_f64s,
    div_f64s,
    mul_add_e_f64s,
    negate_mul_add_e_f64s,
    as_simd_f64s,
    as_mut_simd_f64s,
    reduce_sum_f64s
);
