//! Fuzzes the parser of clients' frames. The invariants are in the sidecar, whose tests run the corpus.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mayday_sidecar::fuzzing::converse(input));
