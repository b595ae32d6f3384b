package dev.hubless

import dev.hubless.internal.PartReader
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flowOf
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

/**
 * Whose turn a part is, in content that is a conversation.
 *
 * @sample dev.hubless.samples.CallSamples.content
 */
public enum class Role {
    /** The person or program that asks. */
    USER,

    /** The agent that answers. */
    ASSISTANT,

    /** Standing instructions. */
    SYSTEM,

    /** Instructions of the developer. */
    DEVELOPER,

    /** A tool's answer. */
    TOOL,
    ;

    internal val wire: String get() = name.lowercase()

    internal companion object {
        fun of(wire: String?): Role? = entries.firstOrNull { it.wire == wire }
    }
}

/**
 * What a prompt or a result is made of.
 *
 * @property parts the pieces, in order
 * @property metadata anything else that belongs to the content as a whole
 * @sample dev.hubless.samples.CallSamples.content
 */
public class Content @JvmOverloads constructor(
    public val parts: List<Part>,
    public val metadata: JsonObject = JsonObject(emptyMap()),
) {
    /** All text parts joined. */
    public val text: String
        get() = parts.filterIsInstance<Part.Text>().joinToString("") { it.text }

    /** The text of a single text part, the value of a single data part, else null. */
    public val value: JsonElement?
        get() = when (val only = parts.singleOrNull()) {
            is Part.Text -> JsonPrimitive(only.text)
            is Part.Data -> only.value
            is Part.Blob, is Part.Link, is Part.Stream, null -> null
        }

    /** The blobs and streamed parts. */
    public val binaries: List<Binary> get() = parts.filterIsInstance<Binary>()

    override fun toString(): String =
        "Content(${parts.joinToString { it.javaClass.simpleName }})"

    public companion object {
        /** Content of the parts given. */
        @JvmStatic
        public fun of(vararg parts: Part): Content = Content(parts.toList())

        /** Content of one text part. */
        @JvmStatic
        public fun text(text: String): Content = of(Part.Text(text))
    }
}

/**
 * A part made of bytes, whether they came at once or are streamed.
 *
 * @sample dev.hubless.samples.CallSamples.bytes
 */
public interface Binary {
    /** Media type of the bytes. */
    public val mediaType: String

    /** Name of the file it was, if any. */
    public val filename: String?

    /**
     * All bytes at once.
     *
     * @throws HublessException kind `too_large` above 64 MiB, kind `content` if the digest given by
     * the sender does not match
     */
    public suspend fun bytes(): ByteArray

    /** The bytes in pieces as they arrive, under back-pressure; a streamed part is read once. */
    public fun reader(): Flow<ByteArray>
}

/**
 * One piece of [Content].
 *
 * @sample dev.hubless.samples.CallSamples.content
 */
public sealed class Part {
    /** Whose turn it is, in content that is a conversation. */
    public abstract val role: Role?

    /** Anything else that belongs to this part. */
    public abstract val metadata: JsonObject?

    /**
     * Text.
     *
     * @property text the text
     */
    public data class Text @JvmOverloads constructor(
        public val text: String,
        override val role: Role? = null,
        override val metadata: JsonObject? = null,
    ) : Part()

    /**
     * A JSON value.
     *
     * @property value the value
     */
    public data class Data @JvmOverloads constructor(
        public val value: JsonElement,
        override val role: Role? = null,
        override val metadata: JsonObject? = null,
    ) : Part()

    /** Bytes that are there as a whole. */
    public class Blob @JvmOverloads constructor(
        override val mediaType: String,
        internal val data: ByteArray,
        override val filename: String? = null,
        override val metadata: JsonObject? = null,
    ) : Part(), Binary {
        override val role: Role? get() = null

        /** Number of bytes. */
        public val size: Int get() = data.size

        override suspend fun bytes(): ByteArray = data

        override fun reader(): Flow<ByteArray> = flowOf(data)
    }

    /**
     * A reference to something elsewhere.
     *
     * @property uri where it is
     * @property mediaType its media type
     * @property digest digest of its bytes
     * @property size its size in bytes
     */
    public data class Link @JvmOverloads constructor(
        public val uri: String,
        public val mediaType: String? = null,
        public val digest: String? = null,
        public val size: Long? = null,
        override val metadata: JsonObject? = null,
    ) : Part() {
        override val role: Role? get() = null
    }

    /**
     * Bytes that travel while they are made or read.
     *
     * @property size their number, if known before
     * @property sha256 their digest in hex, if known before; checked at the end
     */
    public class Stream internal constructor(
        override val mediaType: String,
        override val filename: String?,
        public val size: Long?,
        public val sha256: String?,
        override val metadata: JsonObject?,
        private val source: PartReader,
    ) : Part(), Binary {
        override val role: Role? get() = null

        /**
         * Makes a part whose [bytes] are collected while it is sent.
         *
         * Collection is cancelled when the other side stops reading; a failure of the flow fails
         * the part.
         */
        @JvmOverloads
        public constructor(
            mediaType: String,
            bytes: Flow<ByteArray>,
            filename: String? = null,
            size: Long? = null,
            sha256: String? = null,
        ) : this(mediaType, filename, size, sha256, null, PartReader.of(bytes))

        override suspend fun bytes(): ByteArray = source.bytes()

        override fun reader(): Flow<ByteArray> = source.reader()
    }
}
