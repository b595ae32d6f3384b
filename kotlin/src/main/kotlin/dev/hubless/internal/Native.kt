package dev.hubless.internal

/**
 * The completion queue of the core, function for function (see `bindings/CONTRACT.md`).
 *
 * Owns the crossing into native code and nothing else. The names are bound by the exported symbols
 * of the library, so that neither this object nor its functions may be renamed alone.
 */
internal object Native {
    init {
        NativeLibrary.load()
    }

    @JvmStatic
    external fun version(): ByteArray

    @JvmStatic
    external fun open(): Long

    @JvmStatic
    external fun submit(
        session: Long,
        ticket: Long,
        op: ByteArray,
        body: ByteArray,
        attachments: Array<ByteArray>?,
    ): Boolean

    /** Answers at once: a byte, 1 for a result and 0 for an error, and that as JSON. */
    @JvmStatic
    external fun ask(
        op: ByteArray,
        body: ByteArray,
    ): ByteArray

    @JvmStatic
    external fun cancel(session: Long, ticket: Long)

    /** Blocks until there are events; null once the session is closed. */
    @JvmStatic
    external fun nextEvents(session: Long, max: Int): ByteArray?

    @JvmStatic
    external fun close(session: Long)

    @JvmStatic
    external fun handles(): Int

    /** Present only in a library built with the feature `testing`. */
    @JvmStatic
    external fun panicNow()

    /** Leaves local references behind on purpose; present as [panicNow] is. */
    @JvmStatic
    external fun leakReferences(count: Int)
}
