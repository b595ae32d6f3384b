//! Where frames of HTTP/2 begin and end, as far as a peer is waited for within one.

/// Bytes that a connection begins with, before its first frame (RFC 9113, 3.4).
const PREFACE_BYTES: usize = 24;
/// Bytes before the payload of a frame (RFC 9113, 4.1).
const HEAD_BYTES: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
/// The flag of the last frame of a block of headers.
const END_HEADERS: u8 = 4;

/// Follows the frames of a peer. It judges none: the library is strict itself, and keeps no time.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes of the preface that are still to come.
    preface: usize,
    /// What came of the head of a frame.
    head: [u8; HEAD_BYTES],
    came: usize,
    /// Bytes of its payload that are still to come.
    payload: usize,
    /// True until the first frame is whole.
    fresh: bool,
    /// True from the first frame of a block of headers to the end of its last.
    in_headers: bool,
}

impl Frames {
    pub(super) const fn new() -> Self {
        Self {
            preface: PREFACE_BYTES,
            head: [0; HEAD_BYTES],
            came: 0,
            payload: 0,
            fresh: true,
            in_headers: false,
        }
    }

    /// True while the rest of a frame or of a block of headers is to come, other than of a body,
    /// which has a time of its own.
    pub(super) fn are_owed(&self) -> bool {
        let is_body = self.came == HEAD_BYTES && self.kind() == DATA && !self.in_headers;
        self.fresh || self.in_headers || (self.came > 0 && !is_body)
    }

    /// Takes bytes in; true: nothing was owed after one of them.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) -> bool {
        let mut settled = false;
        let preface = self.preface.min(bytes.len());
        self.preface -= preface;
        bytes = bytes.get(preface..).unwrap_or_default();
        while let Some((first, rest)) = bytes.split_first() {
            if let Some(place) = self.head.get_mut(self.came) {
                *place = *first;
                self.came += 1;
                bytes = rest;
                if self.came == HEAD_BYTES {
                    self.begin();
                }
            } else {
                let some = self.payload.min(bytes.len());
                self.payload -= some;
                bytes = bytes.get(some..).unwrap_or_default();
            }
            if self.came == HEAD_BYTES && self.payload == 0 {
                self.end();
            }
            settled |= !self.are_owed();
        }
        settled
    }

    const fn kind(&self) -> u8 {
        self.head[3]
    }

    fn begin(&mut self) {
        let [high, middle, low, ..] = self.head;
        self.payload = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.in_headers |= self.kind() == HEADERS;
    }

    fn end(&mut self) {
        self.came = 0;
        self.fresh = false;
        let is_last = self.head[4] & END_HEADERS != 0;
        if is_last && matches!(self.kind(), HEADERS | CONTINUATION) {
            self.in_headers = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: u8 = 4;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        let mut bytes = length[1..].to_vec();
        bytes.extend([kind, flags, 0, 0, 0, 1]);
        bytes.extend(vec![7; payload]);
        bytes
    }

    /// After how many bytes nothing is owed.
    fn settled(bytes: &[u8]) -> Vec<usize> {
        let mut frames = Frames::new();
        frames.follow(&[0; PREFACE_BYTES]);
        frames.follow(&frame(SETTINGS, 0, 0));
        (1..=bytes.len()).filter(|at| frames.follow(&bytes[at - 1..*at])).collect()
    }

    #[test]
    fn a_block_of_headers_is_owed_up_to_its_end() {
        let whole = frame(HEADERS, END_HEADERS, 20);
        assert_eq!(settled(&whole), [whole.len()]);
        let block =
            [frame(HEADERS, 0, 5), frame(CONTINUATION, 0, 0), frame(CONTINUATION, END_HEADERS, 3)];
        let block = block.concat();
        assert_eq!(settled(&block), [block.len()]);
        let flags = frame(SETTINGS, END_HEADERS, 6);
        assert_eq!(settled(&flags), [flags.len()]);
    }

    #[test]
    fn of_a_body_the_head_of_its_frame_is_owed_alone() {
        let data = frame(DATA, 0, 3);
        assert_eq!(settled(&data), (HEAD_BYTES..=data.len()).collect::<Vec<_>>());
        assert_eq!(settled(&frame(DATA, 0, 0)), [HEAD_BYTES]);
    }

    #[test]
    fn a_connection_owes_its_first_frame_from_the_start() {
        let mut frames = Frames::new();
        assert!(frames.are_owed());
        let first = [&[0; PREFACE_BYTES][..], &frame(SETTINGS, 0, 6)].concat();
        let (last, rest) = first.split_last().unwrap();
        assert!(!frames.follow(rest) && frames.are_owed());
        assert!(frames.follow(&[*last]) && !frames.are_owed());
        // In one piece with the beginning of the next: time counts anew.
        let more = [frame(SETTINGS, 1, 0), vec![0, 0]].concat();
        assert!(frames.follow(&more) && frames.are_owed());
    }
}
