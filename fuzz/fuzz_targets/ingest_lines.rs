//! Any messages in a line of our own format.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let line = [br#"{"athenaeum":1,"provider":"x","messages":["#, bytes, b"]}"].concat();
    athenaeum_fuzz::read(None, &line);
});
