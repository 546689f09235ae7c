//! Fuzzes the searches and query strings of the messenger service. The invariants are in the component, whose tests run
//! the corpus.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| messenger_fuzz::fuzzing::read_as_everything(input));
