//! The corpora of fuzzing, for tests: what `cargo fuzz` begins with runs in every test run as well, and so do mutations
//! of it. They are the same in every run. Beside them is what every fuzzed service is checked for.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The inputs of a corpus, and what is known to matter to the parser.
pub struct Corpus {
    inputs: Vec<(PathBuf, Vec<u8>)>,
    parts: &'static [&'static [u8]],
}

impl Corpus {
    /// Reads a folder of `fuzz/corpus`. Mutations insert `parts`, which matter to whoever parses the inputs.
    ///
    /// # Panics
    ///
    /// If the corpus cannot be read, or is nearly empty: a test without inputs would pass.
    pub fn read(name: &str, parts: &'static [&'static [u8]]) -> Corpus {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../fuzz/corpus")
            .join(name);
        let mut inputs: Vec<_> = fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.expect("an entry of the corpus").path())
            .map(|path| (path.clone(), fs::read(path).expect("an input of the corpus")))
            .collect();
        assert!(inputs.len() >= 10, "the corpus {name} is there");
        inputs.sort();
        Corpus { inputs, parts }
    }

    /// Runs every input.
    pub fn run(&self, check: impl Fn(&[u8])) {
        for (path, input) in &self.inputs {
            // A failed assertion does not name its input.
            println!("{}", path.display());
            check(input);
        }
    }

    /// Runs so many mutations of each input.
    pub fn run_mutations(&self, of_each: u64, check: impl Fn(&[u8])) {
        for (number, (path, input)) in self.inputs.iter().enumerate() {
            for change in 1..=of_each {
                let mut numbers = Numbers(number as u64 * of_each + change);
                let mut changed = input.clone();
                for _ in 0..=numbers.below(4) {
                    let (_, other) = &self.inputs[numbers.below(self.inputs.len())];
                    self.change(&mut numbers, &mut changed, other);
                }
                println!(
                    "{}, change {change}: {:?}",
                    path.display(),
                    changed.escape_ascii().to_string()
                );
                check(&changed);
            }
        }
    }

    fn change(&self, numbers: &mut Numbers, input: &mut Vec<u8>, other: &[u8]) {
        let (from, to) = (numbers.below(input.len() + 1), numbers.below(input.len() + 1));
        let (from, to) = (from.min(to), from.max(to));
        match numbers.below(5) {
            0 if from < input.len() => input[from] ^= 1 << numbers.below(8),
            1 => drop(input.drain(from..to)),
            2 => input.extend_from_within(from..to),
            3 => {
                let from_other = numbers.below(other.len() + 1);
                input.truncate(from);
                input.extend_from_slice(&other[from_other..]);
            }
            _ => {
                let part = self.parts[numbers.below(self.parts.len())];
                drop(input.splice(from..from, part.iter().copied()));
            }
        }
    }
}

/// Checks that an answer is a 400 whose body is the contract's (2.5), and returns its message: a text, or a list of
/// texts.
///
/// # Panics
///
/// If it is not.
pub fn assert_refusal(status: u16, body: &[u8]) -> Value {
    assert_eq!(status, 400);
    let mut body: Value = serde_json::from_slice(body).expect("an error is JSON");
    let members = body.as_object().expect("an error is an object");
    assert_eq!(members.len(), 3, "{body}");
    assert_eq!(
        (&body["statusCode"], &body["error"]),
        (&400.into(), &"Bad Request".into())
    );
    let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let is_message = match &body["message"] {
        Value::Array(lines) => !lines.is_empty() && lines.iter().all(is_text),
        message => is_text(message),
    };
    assert!(is_message, "{body}");
    body["message"].take()
}

/// Pseudo-random numbers: xorshift, with a seed that is not 0.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).expect("it is below a usize")
    }
}
