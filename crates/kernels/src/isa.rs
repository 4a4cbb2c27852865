use std::sync::OnceLock;

/// Which vectors this crate computes with, of each architecture the narrowest first; all give the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instructions {
    /// Whatever the compiler makes of plain Rust.
    Plain,
    /// x86 processors since 2013.
    Avx2,
    /// With sums of products of bytes: servers since 2019, AMD's desktops since 2022.
    Avx512,
    /// Every ARM processor of 64 bits.
    Neon,
    /// With sums of products of bytes: ARM's designs since 2017, Apple's since 2019.
    NeonDotprod,
    /// With products of matrices of bytes: ARM's designs since 2020, Apple's since 2022.
    NeonI8mm,
}

impl Instructions {
    /// Returns a stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Neon => "neon",
            Self::NeonDotprod => "neon-dotprod",
            Self::NeonI8mm => "neon-i8mm",
        }
    }

    /// Tells whether whoever allows these allows `other`. Of another architecture nothing is allowed but plain code.
    fn include(self, other: Self) -> bool {
        let from_plain: &[Self] = match self {
            Self::Plain | Self::Avx2 | Self::Avx512 => &[Self::Plain, Self::Avx2, Self::Avx512],
            Self::Neon | Self::NeonDotprod | Self::NeonI8mm => {
                &[Self::Plain, Self::Neon, Self::NeonDotprod, Self::NeonI8mm]
            }
        };
        from_plain.iter().take_while(|narrower| **narrower != self).chain([&self]).any(|one| *one == other)
    }
}

/// Computes with none wider than `most`, and returns which of those that the machine has it will be. The first call
/// decides, for the whole program; where something was computed before, that had decided for the widest.
pub fn use_at_most(most: Instructions) -> Instructions {
    MOST.get_or_init(|| most);
    instructions()
}

/// Returns how wide the vectors are that are computed with, and has them so for the whole program.
pub fn instructions() -> Instructions {
    Isa::best().instructions()
}

/// Says whether a way of computing may be gone, by its name.
pub(crate) fn allows(name: &str) -> bool {
    let needed = match name {
        "plain" => Instructions::Plain,
        "avx512" => Instructions::Avx512,
        "neon" => Instructions::Neon,
        "neon-dotprod" => Instructions::NeonDotprod,
        _ => Instructions::Avx2,
    };
    most().include(needed)
}

static MOST: OnceLock<Instructions> = OnceLock::new();

fn most() -> Instructions {
    *MOST.get_or_init(wanted)
}

/// Tests run with one after the other; programs have a setting.
fn wanted() -> Instructions {
    #[cfg(feature = "testing")]
    match std::env::var("ATHENAEUM_TEST_INSTRUCTIONS").as_deref() {
        Ok("plain") => return Instructions::Plain,
        Ok("avx2") => return Instructions::Avx2,
        Ok("neon") => return Instructions::Neon,
        Ok("neon-dotprod") => return Instructions::NeonDotprod,
        _ => {}
    }
    if cfg!(target_arch = "aarch64") { Instructions::NeonI8mm } else { Instructions::Avx512 }
}

/// Which vector instructions to use; all give the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isa {
    /// Whatever the compiler makes of plain Rust.
    Plain,
    /// 256 bits, with fused multiplication and halves: x86 processors since 2013.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 512 bits, with sums of products of bytes: servers since 2019, AMD's desktops since 2022.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 128 bits, with fused multiplication and halves: every ARM processor of 64 bits.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// With sums of four products of bytes.
    #[cfg(target_arch = "aarch64")]
    Dotprod,
    /// With products of two by eight bytes and eight by two.
    #[cfg(target_arch = "aarch64")]
    I8mm,
}

impl Isa {
    /// Returns the widest that this machine has and that may be used.
    #[inline]
    pub(crate) fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST
            .get_or_init(|| Self::all().find(|isa| most().include(isa.instructions())).unwrap_or(Self::Plain))
    }

    fn instructions(self) -> Instructions {
        match self {
            Self::Plain => Instructions::Plain,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Instructions::Avx2,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Instructions::Avx512,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => Instructions::Neon,
            #[cfg(target_arch = "aarch64")]
            Self::Dotprod => Instructions::NeonDotprod,
            #[cfg(target_arch = "aarch64")]
            Self::I8mm => Instructions::NeonI8mm,
        }
    }

    /// Lists those that this machine has, the widest first.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let vectors = {
            let avx2 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c");
            let avx512 = avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni");
            [avx512.then_some(Self::Avx512), avx2.then_some(Self::Avx2)]
        };
        #[cfg(target_arch = "aarch64")]
        let vectors = {
            use std::arch::is_aarch64_feature_detected as has;
            let dotprod = has!("dotprod");
            [
                (dotprod && has!("i8mm")).then_some(Self::I8mm),
                dotprod.then_some(Self::Dotprod),
                Some(Self::Neon),
            ]
        };
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let vectors = [None];
        vectors.into_iter().flatten().chain([Self::Plain])
    }
}

/// Compiles a function once more for each instruction set, and calls the one for this machine. Plain arithmetic gives the
/// same bits in each. On ARM once is enough: every program for it is compiled for NEON.
macro_rules! for_each_isa {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$attribute])*
        $visibility fn $name($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn plain($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
            fn avx512($($argument: $type),*) $(-> $result)? {
                plain($($argument),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c")]
            fn avx2($($argument: $type),*) $(-> $result)? {
                plain($($argument),*)
            }

            match $crate::isa::Isa::best() {
                // SAFETY: the instruction set was found on this machine.
                #[cfg(target_arch = "x86_64")]
                $crate::isa::Isa::Avx512 => unsafe { avx512($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::isa::Isa::Avx2 => unsafe { avx2($($argument),*) },
                _ => plain($($argument),*),
            }
        }
    };
}
pub(crate) use for_each_isa;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_ends_with_what_is_named() {
        use Instructions::*;
        let all = [Plain, Avx2, Avx512, Neon, NeonDotprod, NeonI8mm];
        for (most, allowed) in [
            (Plain, &[Plain][..]),
            (Avx2, &[Plain, Avx2]),
            (Avx512, &[Plain, Avx2, Avx512]),
            (Neon, &[Plain, Neon]),
            (NeonDotprod, &[Plain, Neon, NeonDotprod]),
            (NeonI8mm, &[Plain, Neon, NeonDotprod, NeonI8mm]),
        ] {
            let found: Vec<Instructions> = all.into_iter().filter(|other| most.include(*other)).collect();
            assert_eq!(found, allowed, "{most:?}");
        }
    }

    #[test]
    fn the_widest_of_this_machine_is_used() {
        assert!(wanted().include(Isa::best().instructions()));
        assert!(Isa::all().any(|isa| isa == Isa::best()));
        assert_eq!(Isa::all().last(), Some(Isa::Plain));
    }
}
