//! The decoder of clients' frames. What must hold is in the sidecar, where a test tries the corpus with every build.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mayday_sidecar::fuzzing::converse(input));
