//! A limit that clients share: none can take what is left from the others.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A client, identified by its address: an IPv4 address, or a /64 network of IPv6,
/// which is what one host usually has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientAddress(IpAddr);

impl From<IpAddr> for ClientAddress {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                const NETWORK: u128 = u128::MAX << 64;
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NETWORK))
            }
        })
    }
}

/// A number of places. A client gets one only while it holds fewer than are free: one client takes
/// at most half of them, the next half of the rest, and so on.
pub(crate) struct FairShare(Mutex<Places>);

struct Places {
    capacity: usize,
    taken: usize,
    by_client: HashMap<ClientAddress, usize>,
}

impl FairShare {
    pub(crate) fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Places {
            capacity,
            taken: 0,
            by_client: HashMap::new(),
        })))
    }

    /// Takes a place for `client`; `None` if its share is used up.
    pub(crate) fn try_enter(self: &Arc<Self>, client: ClientAddress) -> Option<Place> {
        let mut places = self.places();
        let free = places.capacity.saturating_sub(places.taken);
        let held = places.by_client.get(&client).copied().unwrap_or_default();
        if held >= free {
            return None;
        }
        places.taken += 1;
        places.by_client.insert(client, held + 1);
        Some(Place {
            share: Arc::clone(self),
            client,
        })
    }

    /// Changes the number of places. Those that are taken stay taken.
    pub(crate) fn set_capacity(&self, capacity: usize) {
        self.places().capacity = capacity;
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place of a [`FairShare`], released when dropped.
pub(crate) struct Place {
    share: Arc<FairShare>,
    client: ClientAddress,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.share.places();
        places.taken -= 1;
        if let Some(held) = places.by_client.get_mut(&self.client) {
            *held -= 1;
            if *held == 0 {
                places.by_client.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str) -> ClientAddress {
        address.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn one_client_gets_at_most_half_and_leaves_places_to_nine_others() {
        let share = FairShare::new(512);
        let flood: Vec<_> = std::iter::from_fn(|| share.try_enter(client("192.0.2.1"))).collect();
        assert_eq!(flood.len(), 256);
        let mut others = Vec::new();
        for other in 2..=10 {
            let address = client(&format!("192.0.2.{other}"));
            let got: Vec<_> = std::iter::from_fn(|| share.try_enter(address)).collect();
            assert!(!got.is_empty(), "{other}");
            others.extend(got);
        }
        drop((flood, others));
        assert!(share.places().by_client.is_empty() && share.places().taken == 0);
    }

    #[test]
    fn a_lower_capacity_holds_for_those_who_come_next() {
        let share = FairShare::new(8);
        let held: Vec<_> = std::iter::from_fn(|| share.try_enter(client("192.0.2.1"))).collect();
        share.set_capacity(4);
        assert!(share.try_enter(client("192.0.2.2")).is_none());
        drop(held);
        assert!(share.try_enter(client("192.0.2.2")).is_some());
    }

    #[test]
    fn addresses_of_one_host_are_one_client() {
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
        assert_eq!(client("2001:db8:0:1::1"), client("2001:db8:0:1:ffff::2"));
        assert_ne!(client("2001:db8:0:1::1"), client("2001:db8:0:2::1"));
        assert_ne!(client("192.0.2.1"), client("192.0.2.2"));
    }
}
