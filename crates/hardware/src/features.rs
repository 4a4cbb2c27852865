/// Returns those instruction sets that matter for inference and can be used here: the processor has them and the
/// system keeps their registers. `flags` are those of Linux's `/proc/cpuinfo`, for the few that the standard library
/// cannot ask for.
pub(crate) fn detect(flags: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut add = |name: &'static str, there: bool| {
        if there {
            found.push(name);
        }
    };
    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    {
        use std::arch::is_x86_feature_detected as has;
        add("sse4_1", has!("sse4.1"));
        add("avx", has!("avx"));
        add("avx2", has!("avx2"));
        add("fma", has!("fma"));
        add("f16c", has!("f16c"));
        add("avx_vnni", has!("avxvnni"));
        add("avx512f", has!("avx512f"));
        add("avx512bw", has!("avx512bw"));
        add("avx512vl", has!("avx512vl"));
        add("avx512dq", has!("avx512dq"));
        add("avx512_vnni", has!("avx512vnni"));
        add("avx512_bf16", has!("avx512bf16"));
        for name in ["amx_tile", "amx_int8", "amx_bf16", "amx_fp16"] {
            add(name, flags.split_whitespace().any(|flag| flag == name));
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        use std::arch::is_aarch64_feature_detected as has;
        let _ = flags;
        add("neon", has!("neon"));
        add("dotprod", has!("dotprod"));
        add("i8mm", has!("i8mm"));
        add("bf16", has!("bf16"));
        add("fp16", has!("fp16"));
        add("sve", has!("sve"));
        add("sve2", has!("sve2"));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")))]
    {
        let _ = (flags, &mut add);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    fn what_the_library_cannot_ask_comes_from_the_flags() {
        let has = |flags, name| detect(flags).contains(&name);
        assert!(has("fpu amx_tile amx_int8", "amx_int8"));
        assert!(!has("fpu amx_int8_not", "amx_int8"));
        assert!(!has("", "amx_tile"));
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn wider_sets_imply_narrower_ones() {
        let found = detect("");
        let has = |name| found.contains(&name);
        assert!(!has("avx512f") || has("avx2"));
        assert!(!has("avx2") || has("avx"));
        assert!(!has("avx") || has("sse4_1"));
    }
}
