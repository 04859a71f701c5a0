#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::user_data(data));
