#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::oned_answer(data));
