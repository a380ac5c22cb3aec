// Package modules finds out which files the modules of a Gradle lock
// contribute to a class path, and what they hash to. It runs nothing: not
// Gradle, and no build script.
//
// The terms:
//
//   - A module is a coordinate "group:artifact:version". It is no file: what it
//     contributes, its metadata decides.
//   - A POM is Maven's metadata of a module. Its packaging says what the file
//     is, a relocation that the module has moved and has no file.
//   - Module metadata is Gradle's own, a .module file, which is there where the
//     POM says so. It lists variants of the module, each for another use. Of
//     them, one is for the run time on a JVM; its files are what the module
//     contributes, or it is available at another module.
//
// What is chosen follows Gradle's rules as its documentation and source have
// them, for a project that asks for org.gradle.usage=java-runtime,
// org.gradle.category=library, org.gradle.libraryelements=jar,
// org.gradle.dependency.bundling=external,
// org.gradle.jvm.environment=standard-jvm and the org.gradle.jvm.version of the
// layer's runtime.
package modules
