//! Numbers from a seed, for tests that draw their inputs: the same seed gives the same run on every machine.
//! SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators"); not for secrets.

/// A generator that its seed determines.
#[derive(Clone, Debug)]
pub struct Seeded(u64);

impl Seeded {
    /// From a seed.
    pub fn new(seed: u64) -> Seeded {
        Seeded(seed)
    }
    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
    /// A number below `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        match end {
            0 => 0,
            #[expect(clippy::cast_possible_truncation, reason = "the remainder is below a usize")]
            _ => (self.number() % end as u64) as usize,
        }
    }
    /// True once in `n` on average; never when `n` is 0.
    pub fn one_in(&mut self, n: u32) -> bool {
        let number = self.number(); // drawn in any case, so that what follows does not depend on n
        n > 0 && number.is_multiple_of(u64::from(n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_does_not() {
        let draw = |seed| {
            let mut seeded = Seeded::new(seed);
            (0..8).map(|_| seeded.number()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
    #[test]
    fn draws_stay_below_their_end_and_reach_all_of_it() {
        let mut seeded = Seeded::new(1);
        let mut seen = [false; 5];
        (0..200).for_each(|_| seen[seeded.below(5)] = true);
        assert_eq!(seen, [true; 5]);
        assert!(!(0..100).any(|_| seeded.one_in(0)));
    }
}
