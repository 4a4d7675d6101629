//! Which partition a key belongs to.

/// The seed of the partitioner in Apache Kafka's Java client.
const SEED: u32 = 0x9747_b28c;

/// The partition of a key among `count`: `murmur2_random` in librdkafka's words and the default of Kafka's Java client, so
/// that producers other than ours put a key in the same place. 0 when `count` is 0.
pub fn partition(key: &[u8], count: u32) -> u32 {
    // Kafka clears the sign bit rather than taking the absolute value.
    (murmur2(key) & 0x7fff_ffff).checked_rem(count).unwrap_or(0)
}

/// 32-bit MurmurHash2 as `org.apache.kafka.common.utils.Utils.murmur2` computes it.
fn murmur2(key: &[u8]) -> u32 {
    const FACTOR: u32 = 0x5bd1_e995;
    let mut hash = SEED ^ key.len() as u32;
    let (words, rest) = key.as_chunks::<4>();
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(FACTOR);
        word ^= word >> 24;
        hash = hash.wrapping_mul(FACTOR) ^ word.wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        for (index, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(FACTOR);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(FACTOR);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn agrees_with_kafka() {
        let vectors: [(&[u8], i32); 7] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
            (b"", 275_646_681),
        ];
        for (key, expected) in vectors {
            assert_eq!(murmur2(key) as i32, expected, "{key:?}");
            let positive = (expected & 0x7fff_ffff) as u32;
            assert_eq!(partition(key, 12), positive % 12);
        }
    }

    #[test]
    fn always_in_range() {
        for number in 0..1000u32 {
            assert!(partition(&number.to_le_bytes(), 7) < 7);
            assert_eq!(partition(&number.to_le_bytes(), 1), 0);
        }
        assert_eq!(partition(b"x", 0), 0);
    }
}
