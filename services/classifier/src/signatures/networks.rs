//! Every range in one prefix structure, IPv4 beside IPv6, and the autonomous systems beside them.

use ipnetwork::IpNetwork;
use prefix_trie::joint::JointPrefixMap;
use std::collections::HashMap;
use std::net::IpAddr;

/// Which signatures speak about an address.
#[derive(Debug, Default)]
pub(super) struct Networks {
    ranges: JointPrefixMap<IpNetwork, Vec<u16>>,
    systems: HashMap<u32, Vec<u16>>,
}

impl Networks {
    /// Adds a range for a signature.
    pub(super) fn add_range(&mut self, range: IpNetwork, signature: u16) {
        self.ranges.entry(range).or_default().push(signature);
    }

    /// Adds an autonomous system for a signature.
    pub(super) fn add_system(&mut self, asn: u32, signature: u16) {
        self.systems.entry(asn).or_default().push(signature);
    }

    /// Calls back with the signature of every range around the address, wide ones too, and of its autonomous system.
    pub(super) fn find(&self, ip: Option<IpAddr>, asn: Option<u32>, mut found: impl FnMut(u16)) {
        if let Some(ip) = ip {
            // An IPv4 client of a socket that listens on both families shows as ::ffff:a.b.c.d.
            let address = IpNetwork::from(ip.to_canonical());
            for signatures in self.ranges.cover_values(&address) {
                signatures.iter().copied().for_each(&mut found);
            }
        }
        if let Some(signatures) = asn.and_then(|asn| self.systems.get(&asn)) {
            signatures.iter().copied().for_each(&mut found);
        }
    }
}
