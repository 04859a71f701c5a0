//! Links the unwinder of GCC into the binary where the linker has it as a static library: one shared library less
//! to load is a tenth of what a start costs, and one less for a front-end to lack.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let Ok(told) = Command::new("cc")
        .arg("-print-file-name=libgcc_eh.a")
        .output()
    else {
        return;
    };
    // What it does not know it repeats, without a folder.
    let path = String::from_utf8_lossy(&told.stdout);
    if Path::new(path.trim()).is_absolute() {
        println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
    }
}
