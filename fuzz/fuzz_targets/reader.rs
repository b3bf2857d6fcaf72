//! Makefiles: read, entered into the data base, second expansion, recipes and the environment
//! expanded, the data base printed.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut make = kiln_fuzz::instance(data);
    if make.read_all_makefiles().and_then(|()| make.snap_deps()).is_err() {
        return;
    }
    let all: Vec<_> = make.files.ids().take(500).collect();
    for f in all {
        let _ = make.expand_deps(f);
        let _ = make.init_file_variables(f, false);
        make.set_file_variables(f, None);
        if let Some(recipe) = make.files[f].recipe.clone() {
            let _ = make.expand_for(&recipe.text, Some(f), Some(recipe.loc));
        }
        let name = make.file_name(f).to_vec();
        let _ = make.vpath_search(&name);
    }
    let _ = make.environment(None, false);
    let _ = make.default_goal();
    let _ = make.data_base();
});
