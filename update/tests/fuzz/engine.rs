//! Runs a target over its corpus and over mutations of it.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::mutate::{Random, mutated};

/// Longest time for one input; a parser that takes longer can be made to hang.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most inputs that are kept for saying something new.
const POOL: usize = 2000;

/// What a target says of an input: in which way it was accepted, or the words of the refusal.
pub type Answer = Result<String, String>;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/corpus")
        .join(name)
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no corpus for {name}");
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

fn budget() -> Duration {
    let seconds = std::env::var("VIGIE_FUZZ_SECONDS").map(|text| text.parse().unwrap());
    Duration::from_secs(seconds.unwrap_or(1))
}

/// Another one in each run, unless one is asked for.
fn seed() -> u64 {
    let seed = std::env::var("VIGIE_FUZZ_SEED").map(|text| text.parse().unwrap());
    seed.unwrap_or_else(|_| RandomState::new().build_hasher().finish())
}

/// A line of its own, past what the test harness holds back: a run that passes shall show what it
/// has tried. `cargo ci fuzz` notes it.
fn tell(line: &str) {
    // Nobody may be there to read it.
    let _ = writeln!(std::io::stdout(), "\nfuzzed {line}");
}

/// Runs `fuzz` over the corpus of this name and over mutations with these words. An input whose
/// answer is new is changed further.
pub fn run(name: &str, words: &[&[u8]], fuzz: fn(&[u8]) -> Answer) {
    let seed = seed();
    // The harness shows it where the test fails.
    println!("{name}: VIGIE_FUZZ_SEED={seed}");
    let corpus = corpus(name);
    let mut pool = corpus.clone();
    let mut answers = BTreeSet::new();
    let mut accepted = 0_u64;
    for input in &pool {
        let answer = guarded(name, fuzz, input);
        accepted += u64::from(answer.is_ok());
        answers.insert(outline(&answer));
    }
    assert!(accepted > 0, "the corpus of {name} has no good input");
    let (mut random, started, mut inputs) = (Random(seed), Instant::now(), pool.len() as u64);
    while started.elapsed() < budget() {
        // Good inputs must not drown in those that were refused in some new way.
        let from = if inputs % 2 == 0 { &corpus } else { &pool };
        let input = mutated(&mut random, from, words);
        let answer = guarded(name, fuzz, &input);
        inputs += 1;
        accepted += u64::from(answer.is_ok());
        if answers.insert(outline(&answer)) && pool.len() < POOL {
            pool.push(input);
        }
    }
    tell(&format!(
        "{name}: {inputs} inputs, {accepted} accepted, {} answers, seed {seed}",
        answers.len()
    ));
    assert!(inputs > 100, "{name}: only {inputs} inputs");
}

/// Runs one input; one that panics or takes too long is kept.
fn guarded(name: &str, fuzz: fn(&[u8]) -> Answer, input: &[u8]) -> Answer {
    let started = Instant::now();
    let answer = catch_unwind(AssertUnwindSafe(|| fuzz(input)));
    let slow = started.elapsed() > PATIENCE;
    if slow || answer.is_err() {
        let mut hasher = DefaultHasher::new();
        input.hash(&mut hasher);
        let path = folder(name).join(format!("found-{:016x}", hasher.finish()));
        std::fs::write(&path, input).unwrap();
        println!("{name}: the input is kept as {}", path.display());
    }
    assert!(!slow, "{name}: an input took {:?}", started.elapsed());
    answer.unwrap_or_else(|panic| resume_unwind(panic))
}

/// An answer without what differs from input to input: numbers, and what stands in quotes.
fn outline(answer: &Answer) -> String {
    let words = answer.as_ref().unwrap_or_else(|refusal| refusal);
    let outside = words.split(['"', '`']).step_by(2);
    let letters = outside.flat_map(str::chars).filter(|c| !c.is_ascii_digit());
    letters.take(120).collect()
}
