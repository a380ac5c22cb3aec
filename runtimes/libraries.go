package runtimes

import (
	"slices"
	"strings"
)

// librariesReviewed is the day on which the lists of libraries were last held
// against a listing of the systems' /lib64.
const librariesReviewed = "2026-11-26"

// Libraries that every function finds, by the names that its files ask for.
// They are what lies in /lib64 of Lambda's images for provided.al2 and
// provided.al2023, which those of the languages are made from, without what
// belongs to a program alone. Where both architectures do not have the same,
// each one's are there.
const (
	// glibcLibraries are the C library's own.
	glibcLibraries = `ld-linux-x86-64.so.2 ld-linux-aarch64.so.1 libBrokenLocale.so.1 libanl.so.1 libc.so.6
		libdl.so.2 libm.so.6 libmvec.so.1 libpthread.so.0 libresolv.so.2 librt.so.1 libthread_db.so.1
		libutil.so.1 libnss_compat.so.2 libnss_dns.so.2 libnss_files.so.2`

	// bothLibraries are of a version that has one name in both systems.
	bothLibraries = `libgcc_s.so.1 libstdc++.so.6 libz.so.1 libbz2.so.1 liblzma.so.5 libacl.so.1 libattr.so.1
		libcap.so.2 libcom_err.so.2 libcurl.so.4 libform.so.6 libformw.so.6 libgmp.so.10
		libgssapi_krb5.so.2 libgssrpc.so.4 libidn2.so.0 libk5crypto.so.3 libkeyutils.so.1 libkrad.so.0
		libkrb5.so.3 libkrb5support.so.0 libmenu.so.6 libmenuw.so.6 libncurses.so.6 libncursesw.so.6
		libnghttp2.so.14 libp11-kit.so.0 libpanel.so.6 libpanelw.so.6 libpopt.so.0 libselinux.so.1
		libsqlite3.so.0 libtasn1.so.6 libtic.so.6 libtinfo.so.6 libuuid.so.1 libverto.so.1 libxml2.so.2`

	al2Libraries = `libcidn.so.1 libcrypt.so.1 libnsl.so.1 libcrypto.so.10 libssl.so.10 libdb-5.3.so
		libelf.so.1 libffi.so.6 libgmpxx.so.4 libhistory.so.6 libreadline.so.6 libkdb5.so.8
		libicudata.so.50 libicui18n.so.50 libicuio.so.50 libicuuc.so.50
		liblber-2.4.so.2 libldap-2.4.so.2 libldap_r-2.4.so.2 liblua-5.1.so
		libnspr4.so libnss3.so libnssutil3.so libplc4.so libplds4.so libsmime3.so libssl3.so
		libpcre.so.1 libpcre16.so.0 libpcre32.so.0 libpcrecpp.so.0 libpcreposix.so.0
		librpm.so.3 librpmio.so.3 libsasl2.so.3 libsepol.so.1 libssh2.so.1 libunistring.so.0`

	al2023Libraries = `libcrypto.so.3 libssl.so.3 libarchive.so.13 libassuan.so.0 libaudit.so.1 libblkid.so.1
		libcap-ng.so.0 libffi.so.8 libgcrypt.so.20 libgio-2.0.so.0 libgirepository-1.0.so.1
		libglib-2.0.so.0 libgmodule-2.0.so.0 libgobject-2.0.so.0 libgthread-2.0.so.0 libgpg-error.so.0
		libgpgme.so.11 libhistory.so.8 libreadline.so.8 libjson-c.so.5 libkdb5.so.10
		liblua-5.4.so liblz4.so.1 libmagic.so.1 libmount.so.1 libmpfr.so.6 libnpth.so.0
		libpcre2-8.so.0 libpcre2-posix.so.3 libpsx.so.2 librpm.so.9 librpmio.so.9 libsepol.so.2
		libsmartcols.so.1 libunistring.so.2 libyaml-0.so.2 libzstd.so.1`

	// jvmLibraries are those that a Java process has loaded, whoever asks.
	jvmLibraries = `libjava.so libjli.so libjvm.so libverify.so`
)

// librariesOf has the systems whose libraries are known.
var librariesOf = map[string][]string{
	"al2":    strings.Fields(glibcLibraries + " " + bothLibraries + " " + al2Libraries),
	"al2023": strings.Fields(glibcLibraries + " " + bothLibraries + " " + al2023Libraries),
}

// Lacks tells whether a function of the runtime does not find a shared library
// where its layers do not bring it. Of a system whose libraries are not known
// that is not said.
func (i Info) Lacks(library string) bool {
	system, known := librariesOf[i.OS]
	if !known || slices.Contains(system, library) || slices.Contains(strings.Fields(i.Libraries), library) {
		return false
	}
	switch i.Family {
	case "python":
		return library != "libpython3.so" && library != "libpython"+i.Version+".so.1.0" && library != "libpython"+i.Version+"m.so.1.0"
	case "java":
		return !slices.Contains(strings.Fields(jvmLibraries), library)
	}
	return true
}
