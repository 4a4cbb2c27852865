use std::sync::OnceLock;

/// How wide the vectors are that this crate computes with, the narrowest first; all give the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Instructions {
    /// Whatever the compiler makes of plain Rust.
    Plain,
    /// x86 processors since 2013.
    Avx2,
    /// With sums of products of bytes: servers since 2019, AMD's desktops since 2022.
    Avx512,
}

impl Instructions {
    /// Returns a stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
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
        _ => Instructions::Avx2,
    };
    needed <= most()
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
        _ => {}
    }
    Instructions::Avx512
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
}

impl Isa {
    /// Returns the widest that this machine has and that may be used.
    #[inline]
    pub(crate) fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Self::all().find(|isa| isa.instructions() <= most()).unwrap_or(Self::Plain))
    }

    fn instructions(self) -> Instructions {
        match self {
            Self::Plain => Instructions::Plain,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Instructions::Avx2,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Instructions::Avx512,
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
        #[cfg(not(target_arch = "x86_64"))]
        let vectors = [None, None];
        vectors.into_iter().flatten().chain([Self::Plain])
    }
}

/// Compiles a function once more for each instruction set, and calls the one for this machine. Plain arithmetic gives the
/// same bits in each.
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
                $crate::isa::Isa::Plain => plain($($argument),*),
            }
        }
    };
}
pub(crate) use for_each_isa;
