//! The `ebbd` binary: allocator, arguments, exit code.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    // A huge page is cleared whole when its first byte is touched, two megabytes at a time. Measured, with
    // them and without: `ingest` 245 and 194 ns an event (spread 108 and 1), 1,080 series 108 and 58 MiB. Where
    // the switch is not there it goes on as it is.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    ebbd::command::main()
}
