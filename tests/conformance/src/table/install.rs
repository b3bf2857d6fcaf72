//! Installing what was built.

use kiln_testkit::{Case, Need};

use super::hello;

const INSTALL: &str = "modules_install INSTALL_MOD_PATH=$TOP/root";

pub(super) fn cases() -> Vec<Case> {
    let two = |name: &str| Case::new(name).example("common-kbuild").build("");
    let signed = |name: &str| {
        hello(name)
            .needs(Need::Program("openssl"))
            .own_kdir()
            .prepare("mkdir $KDIR/certs; cp $ASSETS/signing_key.x509 $KDIR/certs/")
            .build("")
    };
    let key = "CONFIG_MODULE_SIG_KEY=$ASSETS/signing_key.pem";
    vec![
        hello("install/path").build("").build(INSTALL).build(INSTALL),
        hello("install/path-from-environment")
            .build("")
            .run("INSTALL_MOD_PATH=$TOP/root make -C $KDIR M=$DIR modules_install"),
        hello("install/directory").build("").build(&format!("{INSTALL} INSTALL_MOD_DIR=gandalf")),
        hello("install/directory-nested")
            .build("")
            .build(&format!("{INSTALL} INSTALL_MOD_DIR=a/b")),
        hello("install/strip").build("").build(&format!("{INSTALL} INSTALL_MOD_STRIP=1")),
        hello("install/strip-options")
            .build("")
            .build(&format!("{INSTALL} INSTALL_MOD_STRIP=--strip-unneeded")),
        hello("install/verbose").build("").build(&format!("{INSTALL} V=1")),
        hello("install/dry-run").build("").build(&format!("{INSTALL} -n")),
        hello("install/silent").build("").build(&format!("{INSTALL} -s")),
        hello("install/nothing-built").build(INSTALL),
        hello("install/wrapper").run("make KDIR=$KDIR").build(INSTALL),
        two("install/directories").build(INSTALL).build(&format!("{INSTALL} -j2")),
        hello("install/path-with-colon").build("").build("modules_install INSTALL_MOD_PATH=$TOP/a:b"),
        hello("install/file-in-the-way")
            .build("")
            .run("mkdir -p $TOP/root/lib; : >$TOP/root/lib/modules; make -C $KDIR M=$DIR modules_install \
                  INSTALL_MOD_PATH=$TOP/root"),
        hello("install/compressed-xz").build("").build(&format!(
            "{INSTALL} CONFIG_MODULE_COMPRESS=y CONFIG_MODULE_COMPRESS_ALL=y CONFIG_MODULE_COMPRESS_XZ=y"
        )),
        hello("install/not-compressed").build("").build(&format!("{INSTALL} CONFIG_MODULE_COMPRESS_ALL=")),
        hello("install/compressed-gzip").build("").build(&format!(
            "{INSTALL} CONFIG_MODULE_COMPRESS_ALL=y CONFIG_MODULE_COMPRESS_XZ= CONFIG_MODULE_COMPRESS_GZIP=y"
        )),
        signed("install/signed").build(&format!("{INSTALL} {key}")),
        signed("install/signed-verbose").build(&format!("{INSTALL} {key} V=1")),
        signed("install/signed-sha512")
            .build(&format!("{INSTALL} {key} CONFIG_MODULE_SIG_HASH=sha512")),
        signed("install/signed-and-stripped")
            .build(&format!("{INSTALL} {key} INSTALL_MOD_STRIP=1")),
        signed("install/signed-not-compressed")
            .build(&format!("{INSTALL} {key} CONFIG_MODULE_COMPRESS_ALL=")),
        signed("install/signed-twice")
            .build(&format!("{INSTALL} {key}"))
            .build(&format!("{INSTALL} {key}"))
            .build(&format!("modules_sign INSTALL_MOD_PATH=$TOP/root {key}")),
        hello("install/signed-by-environment")
            .needs(Need::Program("openssl"))
            .own_kdir()
            .prepare("mkdir $KDIR/certs; cp $ASSETS/signing_key.x509 $KDIR/certs/")
            .prepare(
                "sed -i \"s|^CONFIG_MODULE_SIG_KEY=.*|CONFIG_MODULE_SIG_KEY=\\\"$ASSETS/signing_key.pem\\\"|\" \
                 $KDIR/include/config/auto.conf",
            )
            .build("")
            .run("KBUILD_SIGN_PIN=1234 make -C $KDIR M=$DIR modules_install INSTALL_MOD_PATH=$TOP/root"),
        signed("install/signing-key-missing")
            .build(&format!("{INSTALL} CONFIG_MODULE_SIG_KEY=$TOP/absent.pem")),
        hello("install/depmod")
            .needs(Need::Program("depmod"))
            .own_kdir()
            .prepare(": >$KDIR/System.map")
            .build("")
            .build(INSTALL),
        hello("install/depmod-absent")
            .own_kdir()
            .prepare(": >$KDIR/System.map")
            .build("")
            .build(&format!("{INSTALL} DEPMOD=no-such-depmod")),
        hello("install/depmod-without-map").own_kdir().build("").build(INSTALL),
        hello("install/second-user-installs")
            .needs(Need::Root)
            .prepare("mkdir $TOP/root; chown 65534 $TOP/root")
            .build("")
            .run_as_nobody("make -C $KDIR M=$DIR modules_install INSTALL_MOD_PATH=$TOP/root"),
        hello("install/second-user-builds")
            .owned_by_nobody()
            .run_as_nobody("make -C $KDIR M=$DIR")
            .run("make -C $KDIR M=$DIR modules_install INSTALL_MOD_PATH=$TOP/root")
            .run_as_nobody("make -C $KDIR M=$DIR"),
        hello("install/second-user-may-not")
            .needs(Need::Root)
            .build("")
            .run_as_nobody("make -C $KDIR M=$DIR modules_install INSTALL_MOD_PATH=$TOP/root"),
    ]
}
