use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    time::Duration,
};

use axum::http::{HeaderMap, Uri};
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

use crate::{
    Settings,
    problem::{Kind, Problem},
};

/// Refuses requests whose target or headers are larger than any honest client's.
pub(crate) fn check_sizes(uri: &Uri, headers: &HeaderMap, settings: &Settings) -> Result<(), Problem> {
    let target = uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > settings.target_bytes_max {
        let detail = format!("Path and query may hold {} bytes together.", settings.target_bytes_max);
        return Err(Problem::new(Kind::TargetTooLong, detail));
    }
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size > settings.header_bytes_max {
        let detail = format!("Headers may hold {} bytes together.", settings.header_bytes_max);
        return Err(Problem::new(Kind::HeadersTooLarge, detail));
    }
    Ok(())
}

/// How often each client may search.
///
/// Keeps one small cell a client address (an IPv6 client is its /64) and forgets those at rest once there are
/// more than a thousand, so that a scan of addresses cannot fill memory.
pub(crate) struct SearchRate {
    cells: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
    quota: Quota,
}

impl SearchRate {
    pub(crate) fn new(settings: &Settings) -> Self {
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(settings.searches_per_second))
            .allow_burst(at_least_one(settings.searches_burst));
        Self { cells: RateLimiter::keyed(quota), clock: DefaultClock::default(), quota }
    }

    /// Takes one search from the client's allowance; clients without a known address share one.
    pub(crate) fn check(&self, client: Option<IpAddr>) -> Result<(), Problem> {
        if self.cells.len() > CELLS_KEPT {
            self.cells.retain_recent();
            self.cells.shrink_to_fit();
        }
        let key = client.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), network_of);
        let Err(refusal) = self.cells.check_key(&key) else { return Ok(()) };
        let wait = refusal.wait_time_from(self.clock.now());
        let rate = 1.0 / self.quota.replenish_interval().as_secs_f64();
        let detail = format!(
            "At most {rate:.0} searches a second, {} at once; the Retry-After header tells when to come back.",
            self.quota.burst_size()
        );
        Err(Problem::new(Kind::RateLimited, detail).retry_after(wait.max(Duration::from_secs(1))))
    }
}

/// Returns what counts as one client: an IPv4 address, or the /64 of an IPv6 address.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(Ipv6Addr::from(u128::from(v6) >> 64 << 64)),
        },
        v4 => v4,
    }
}

/// Cells beyond this number are looked through for ones at rest.
const CELLS_KEPT: usize = 1_000;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_burst_passes_and_the_next_waits() {
        let settings = Settings { searches_per_second: 1, searches_burst: 3, ..Settings::default() };
        let rate = SearchRate::new(&settings);
        let client = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        for _ in 0..3 {
            rate.check(client).unwrap();
        }
        let refusal = rate.check(client).unwrap_err().respond(None, None);
        assert_eq!(refusal.status(), 429);
        assert_eq!(refusal.headers()["retry-after"], "1");
        rate.check(Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)))).unwrap();
    }

    #[test]
    fn a_v6_client_is_its_network() {
        let client = |text: &str| network_of(text.parse().unwrap());
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("::ffff:127.0.0.1"), client("127.0.0.1"));
    }

    #[test]
    fn sizes_are_bounded() {
        let settings = Settings { target_bytes_max: 20, header_bytes_max: 20, ..Settings::default() };
        let uri = Uri::from_static("/search?q=12345678901234567890");
        assert!(check_sizes(&uri, &HeaderMap::new(), &settings).is_err());
        assert!(check_sizes(&Uri::from_static("/"), &HeaderMap::new(), &settings).is_ok());
        let mut headers = HeaderMap::new();
        headers.insert("x-long", "0123456789abcdef".parse().unwrap());
        assert!(check_sizes(&Uri::from_static("/"), &headers, &settings).is_err());
    }
}
