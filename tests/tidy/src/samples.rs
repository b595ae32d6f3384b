//! Samples of the README, which are files of the examples, word for word.

/// Samples marked `<!-- sample: path -->` before a fenced block, with their text.
#[must_use]
pub fn samples(readme: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for piece in readme.split("<!-- sample: ").skip(1) {
        let Some((path, rest)) = piece.split_once(" -->") else { continue };
        let block = rest.split("```").nth(1).unwrap_or_default();
        let text = block.split_once('\n').map_or("", |(_, text)| text);
        found.push((path.to_owned(), text.to_owned()));
    }
    found
}

/// Samples that differ from their file; `read` gives a file's text, or the part after `#mark`.
#[must_use]
pub fn stale(readme: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let differs = |(path, text): &(String, String)| {
        let (file, mark) = path.split_once('#').unwrap_or((path, ""));
        let whole = read(file)?;
        let expected = if mark.is_empty() { whole } else { between(&whole, mark) };
        (expected.trim() == text.trim()).then_some(())
    };
    let all = samples(readme);
    all.iter()
        .filter(|sample| differs(sample).is_none())
        .map(|(path, _)| format!("README: the sample {path} is not what the file says"))
        .collect()
}

/// Lines between `mark-begin` and `mark-end`, with their common indent taken off.
fn between(text: &str, mark: &str) -> String {
    let (begin, end) = (format!("{mark}-begin"), format!("{mark}-end"));
    let inside = text.lines().skip_while(|line| !line.contains(&begin)).skip(1);
    let lines: Vec<_> = inside.take_while(|line| !line.contains(&end)).collect();
    let indent = |line: &&&str| line.len() - line.trim_start().len();
    let common = lines.iter().filter(|line| !line.trim().is_empty()).map(|l| indent(&l)).min();
    let cut = |line: &&str| line.get(common.unwrap_or(0)..).unwrap_or_default().to_owned();
    lines.iter().map(cut).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = "<!-- sample: a.py -->\n```python\nx = 1\n```\n\
                          <!-- sample: b.py#loop -->\n```python\ny = 2\n```\n";

    #[test]
    fn catches_a_sample_that_differs_from_its_file() {
        let same = |path: &str| match path {
            "a.py" => Some("x = 1\n".to_owned()),
            _ => Some("no\n  # loop-begin\n  y = 2\n  # loop-end\n".to_owned()),
        };
        assert!(stale(README, same).is_empty());
        assert_eq!(stale(README, |_| Some("x = 3".to_owned())).len(), 2);
        assert_eq!(stale(README, |_| None).len(), 2);
    }
}
