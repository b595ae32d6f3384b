//! The mutations themselves: read from a dictionary, and the same from the same seed.

use hubless_fuzz::mutate::{INPUT_BYTES, Numbers, dictionary, mutate};

#[test]
fn reads_a_dictionary() {
    let text = "# words\n\na=\"\\x00\\xff\"\nb=\"\\\"\\\\x\"\n";
    assert_eq!(dictionary(text), [vec![0, 0xff], b"\"\\x".to_vec()]);
}

#[test]
fn the_same_seed_gives_the_same_inputs() {
    let run = |seed| {
        let (mut numbers, mut input) = (Numbers::new(seed), b"seed".to_vec());
        (0..500).for_each(|_| mutate(&mut input, b"other", &[b"word".to_vec()], &mut numbers));
        input
    };
    assert_eq!(run(7), run(7));
    assert!(run(7) != run(8) && run(7).len() <= INPUT_BYTES);
}
