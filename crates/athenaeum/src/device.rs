use athenaeum_hardware::{Backends, Device, Kernel, Overrides, Report, propose};
use athenaeum_inference::{
    device,
    kernels::{Instructions, use_at_most},
};

/// Returns what this program can compute with beside the processor: what it was built with.
pub fn backends() -> Backends {
    Backends {
        candle: device::Device::Candle.is_built(),
        cuda: device::Device::Cuda(0).is_built(),
        metal: device::Device::Metal.is_built(),
    }
}

/// Chooses what computes models: what `wanted` names, whether it can or not, so that loading a model says what is
/// missing; otherwise the best that this program reaches. The machine is looked at only where there is a choice.
pub fn device(wanted: &Overrides, look: impl FnOnce() -> Report) -> Device {
    let backends = backends();
    match wanted.device {
        Some(device) => device,
        None if backends.cuda || backends.metal => propose(&look(), wanted, backends).device.value,
        None => Device::Cpu,
    }
}

/// Returns the same device by the name that the engine has for it.
pub fn computing_on(device: Device) -> device::Device {
    match device {
        Device::Cpu => device::Device::Processor,
        Device::Cuda(number) => device::Device::Cuda(number as usize),
        Device::Metal => device::Device::Metal,
        Device::Candle => device::Device::Candle,
    }
}

/// Has the processor compute with the family of kernels that is wanted, or the widest that it has below that. Where none
/// is wanted nothing is decided. Programs call it before they load a model; later changes nothing.
pub fn settle_kernel(wanted: &Overrides) {
    if let Some(most) = wanted.kernel.map(instructions) {
        let used = use_at_most(most);
        tracing::debug!(?most, ?used, "kernels are chosen");
    }
}

/// Families that we have none for use the next below.
fn instructions(kernel: Kernel) -> Instructions {
    match kernel {
        Kernel::Avx512Vnni => Instructions::Avx512,
        Kernel::Avx2 | Kernel::AvxVnni | Kernel::Avx512 => Instructions::Avx2,
        Kernel::NeonI8mm => Instructions::NeonI8mm,
        Kernel::NeonDotprod => Instructions::NeonDotprod,
        Kernel::Neon => Instructions::Neon,
        Kernel::Scalar | Kernel::Sse41 => Instructions::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_stands_and_nobody_looks_where_there_is_no_choice() {
        let unseen = || -> Report { panic!("the machine is looked at") };
        for wish in [Device::Cpu, Device::Cuda(1), Device::Metal, Device::Candle] {
            let wanted = Overrides { device: Some(wish), ..Overrides::default() };
            assert_eq!(device(&wanted, unseen), wish);
            let plan = propose(&Report::default(), &wanted, backends());
            let possible = computing_on(wish).is_built() && matches!(wish, Device::Cpu | Device::Candle);
            assert_eq!(plan.device.value == wish, possible, "{plan:?}");
        }
        if !(backends().cuda || backends().metal) {
            assert_eq!(device(&Overrides::default(), unseen), Device::Cpu);
        }
    }
}
