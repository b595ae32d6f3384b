package dev.hubless.internal

import java.nio.file.Files
import java.nio.file.Path
import java.nio.file.StandardCopyOption
import java.nio.file.attribute.PosixFilePermissions

/**
 * Finds the native library and loads it once per class loader.
 *
 * `-Dhubless.native.path=<file>` names a library to load as it is. Otherwise the one inside the jar
 * is extracted to a private folder below `-Dhubless.native.tmp=<folder>` (default: the temporary
 * folder of the JVM), loaded, and removed again at once where the system allows it.
 */
internal object NativeLibrary {
    private const val PATH_PROPERTY = "hubless.native.path"
    private const val TEMPORARY_PROPERTY = "hubless.native.tmp"

    /** Loads the library; a failure names what was looked for and how to name another one. */
    fun load() {
        val named = System.getProperty(PATH_PROPERTY)
        if (named != null) {
            System.load(Path.of(named).toAbsolutePath().toString())
        } else {
            loadFromJar()
        }
    }

    private fun loadFromJar() {
        val file = System.mapLibraryName("hubless_jvm")
        val resource = "/${platform()}/$file"
        val source = NativeLibrary::class.java.getResourceAsStream(resource)
            ?: throw UnsatisfiedLinkError(
                "hubless has no native library for ${platform()}: there is no $resource in " +
                    "the jar, name one by -D$PATH_PROPERTY=<file>",
            )
        val folder = privateFolder()
        val target = folder.resolve(file)
        try {
            source.use { Files.copy(it, target, StandardCopyOption.REPLACE_EXISTING) }
            System.load(target.toString())
        } finally {
            // A loaded file may be unlinked where the system keeps it mapped; elsewhere it stays.
            runCatching { Files.deleteIfExists(target) }
            runCatching { Files.deleteIfExists(folder) }
        }
    }

    private fun privateFolder(): Path {
        val parent = System.getProperty(TEMPORARY_PROPERTY)?.let(Path::of)
        val posix = "posix" in java.nio.file.FileSystems.getDefault().supportedFileAttributeViews()
        val owner = PosixFilePermissions.fromString("rwx------")
        val attributes = if (posix) {
            arrayOf(
                PosixFilePermissions.asFileAttribute(owner),
            )
        } else {
            arrayOf()
        }
        return if (parent != null) {
            Files.createTempDirectory(parent, "hubless-", *attributes)
        } else {
            Files.createTempDirectory("hubless-", *attributes)
        }
    }

    /** The folder of this platform inside the jar, such as `linux-x86-64`. */
    private fun platform(): String {
        val system = System.getProperty("os.name").lowercase()
        val os = when {
            system.startsWith("linux") -> "linux"
            system.startsWith("mac") -> "darwin"
            system.startsWith("windows") -> "win32"
            else -> system.replace(' ', '-')
        }
        val architecture = when (val arch = System.getProperty("os.arch").lowercase()) {
            "amd64", "x86_64" -> "x86-64"
            "arm64" -> "aarch64"
            else -> arch
        }
        return "$os-$architecture"
    }
}
