package dev.hubless

import kotlinx.serialization.json.JsonElement
import kotlin.time.Duration

/**
 * What a call used.
 *
 * @property inputTokens tokens read by models
 * @property outputTokens tokens written by models
 * @property costMicros cost in millionths of the currency unit
 * @property calls calls of models
 * @property byModel tokens and cost of each model
 * @property chargedInFull whether nothing was said of what it used, so that its budget was charged
 *   all that the call was granted
 * @sample dev.hubless.samples.CallSamples.reply
 */
public data class Usage(
    public val inputTokens: Long = 0,
    public val outputTokens: Long = 0,
    public val costMicros: Long = 0,
    public val calls: Long = 0,
    public val byModel: Map<String, JsonElement> = emptyMap(),
    public val chargedInFull: Boolean = false,
)

/**
 * Where the time of a call went.
 *
 * @property queue waiting for room at the callee
 * @property handler in the handler
 * @property network everything else
 * @sample dev.hubless.samples.CallSamples.reply
 */
public data class Timing(
    public val queue: Duration,
    public val handler: Duration,
    public val network: Duration,
)

/**
 * How an agent is reached.
 *
 * @sample dev.hubless.samples.CallSamples.reply
 */
public enum class NetworkPath {
    /** Without leaving the process. */
    IN_PROCESS,

    /** Over a connection between the two nodes. */
    DIRECT,

    /** Through a relay. */
    RELAY,
    ;

    internal companion object {
        fun of(wire: String?): NetworkPath? =
            entries.firstOrNull { it.name.equals(wire, ignoreCase = true) }
    }
}

/**
 * Who answered.
 *
 * @property agentId its id
 * @property name its name
 * @property nodeKey the node it lives on
 * @sample dev.hubless.samples.CallSamples.reply
 */
public data class Answerer(
    public val agentId: String,
    public val name: String,
    public val nodeKey: String,
)

/**
 * A whole answer.
 *
 * @property content what was answered
 * @property usage what the call used
 * @property timing where its time went
 * @property agent who answered
 * @property path how it was reached; null if unknown
 * @property attempts how often it was asked
 * @property traceId 32 hex digits by which `hubless trace` draws all calls that it caused
 * @sample dev.hubless.samples.CallSamples.reply
 */
public class Reply internal constructor(
    public val content: Content,
    public val usage: Usage,
    public val timing: Timing,
    public val agent: Answerer,
    public val path: NetworkPath?,
    public val attempts: Int,
    public val traceId: String,
) {
    /** The text of a single text part, the value of a single data part, else null. */
    public val value: JsonElement? get() = content.value

    /** All text parts joined. */
    public val text: String get() = content.text
}

/**
 * The outcome of [Node.send]: an answer or a refusal, as data.
 *
 * @property output the answer, or null if it was refused
 * @property rejection the refusal, or null if it was answered
 * @property usage what the call used, refused or not
 * @sample dev.hubless.samples.CallSamples.send
 */
public class Response internal constructor(
    public val output: Reply?,
    public val rejection: ErrorDetails?,
    public val usage: Usage,
)

/**
 * One event of a streamed answer.
 *
 * @sample dev.hubless.samples.CallSamples.stream
 */
public sealed interface StreamItem {
    /** The callee has taken the call. */
    public data object Accepted : StreamItem

    /**
     * How far the callee has come.
     *
     * @property note a short remark
     * @property fraction from 0 to 1, if known
     */
    public data class Progress(public val note: String, public val fraction: Double?) : StreamItem

    /**
     * A whole answer ends the stream.
     *
     * @property reply the answer
     */
    public class Final(public val reply: Reply) : StreamItem
}

/**
 * A piece of an answer.
 *
 * @property part what came
 * @property append whether it goes on with the part before
 * @sample dev.hubless.samples.CallSamples.stream
 */
public class Chunk internal constructor(
    public val part: Part,
    public val append: Boolean,
) : StreamItem {
    /** Its text; empty if it is not text. */
    public val text: String get() = (part as? Part.Text)?.text.orEmpty()

    /** Its text or JSON value; null for other parts. */
    public val value: JsonElement? get() = Content.of(part).value
}
