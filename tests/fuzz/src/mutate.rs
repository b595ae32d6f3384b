//! Seeded mutations: the same seed gives the same inputs.

/// A small generator of numbers (splitmix64).
#[derive(Debug, Clone)]
pub struct Numbers(u64);

impl Numbers {
    /// Starts at a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 when there is none.
    pub fn below(&mut self, end: usize) -> usize {
        let end = end.max(1) as u64;
        usize::try_from(self.next_u64() % end).unwrap_or_default()
    }

    fn byte(&mut self) -> u8 {
        self.next_u64().to_le_bytes()[0]
    }
}

/// Longest input that mutation makes, in bytes.
pub const INPUT_BYTES: usize = 64 * 1024;

/// Changes `input` in one to eight places; `other` is a second seed to take pieces from.
pub fn mutate(input: &mut Vec<u8>, other: &[u8], words: &[Vec<u8>], numbers: &mut Numbers) {
    for _ in 0..1 << numbers.below(4) {
        let at = numbers.below(input.len() + 1);
        match numbers.below(8) {
            0 => flip(input, numbers),
            1 => replace(input, numbers),
            2 => input.insert(at, numbers.byte()),
            3 => input.truncate(at),
            4 => remove(input, at, numbers),
            5 => repeat(input, at, numbers),
            6 => {
                if let Some(word) = words.get(numbers.below(words.len())) {
                    input.splice(at..at, word.iter().copied());
                }
            }
            _ => {
                let from = numbers.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
    }
    input.truncate(INPUT_BYTES);
}

fn flip(input: &mut [u8], numbers: &mut Numbers) {
    let at = numbers.below(input.len());
    if let Some(byte) = input.get_mut(at) {
        *byte ^= 1 << numbers.below(8);
    }
}

fn replace(input: &mut [u8], numbers: &mut Numbers) {
    let at = numbers.below(input.len());
    if let Some(byte) = input.get_mut(at) {
        let odd = [0, 1, 0x7f, 0x80, 0xff].get(numbers.below(6)).copied();
        *byte = odd.unwrap_or_else(|| numbers.byte());
    }
}

fn remove(input: &mut Vec<u8>, at: usize, numbers: &mut Numbers) {
    let end = at + numbers.below(input.len() - at + 1);
    input.drain(at..end);
}

/// Repeats a piece many times: what is small on the wire and large in memory.
fn repeat(input: &mut Vec<u8>, at: usize, numbers: &mut Numbers) {
    let end = input.len().min(at + 1 + numbers.below(16));
    let piece = input[at..end].to_vec();
    let times = 1 << numbers.below(12);
    let room = (INPUT_BYTES - input.len().min(INPUT_BYTES)) / piece.len().max(1);
    input.splice(at..at, piece.repeat(times.min(room)));
}

/// Reads a dictionary in the form that libFuzzer and AFL take: `name="bytes"`, `\xNN` escapes.
///
/// # Panics
/// On a line that is none: the dictionary is ours.
pub fn dictionary(text: &str) -> Vec<Vec<u8>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.filter(|line| !line.starts_with('#')).map(word).collect()
}

fn word(line: &str) -> Vec<u8> {
    let quoted = line.split_once('=').and_then(|(_, word)| word.strip_prefix('"'));
    let word = quoted.and_then(|word| word.strip_suffix('"'));
    let mut rest = word.unwrap_or_else(|| panic!("no word of a dictionary: {line}")).as_bytes();
    let mut bytes = Vec::new();
    while let Some((first, after)) = rest.split_first() {
        rest = match (first, after) {
            (b'\\', [b'x', high, low, tail @ ..]) => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let value = digit(*high).zip(digit(*low)).map(|(high, low)| high * 16 + low);
                let value = value.and_then(|value| u8::try_from(value).ok());
                bytes.push(value.unwrap_or_else(|| panic!("no hex digits: {line}")));
                tail
            }
            (b'\\', [escaped, tail @ ..]) => {
                bytes.push(*escaped);
                tail
            }
            _ => {
                bytes.push(*first);
                after
            }
        };
    }
    bytes
}
