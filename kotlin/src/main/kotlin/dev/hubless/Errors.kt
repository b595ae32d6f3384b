package dev.hubless

import kotlin.time.Duration

/**
 * What went wrong: a closed set with the same names in every language.
 *
 * @property wire the name as it stands in messages, logs and the other languages
 * @sample dev.hubless.samples.CallSamples.errors
 */
public enum class ErrorKind(public val wire: String) {
    /** Credentials were missing or refused. */
    AUTH("auth"),

    /** The prompt is not in the form that the agent wants, or is too long for it. */
    PROMPT("prompt"),

    /** JSON that does not parse, is nested too deeply or does not fit its schema. */
    JSON("json"),

    /** A content type that the agent does not take, or content that does not match its digest. */
    CONTENT("content"),

    /** The connection or its bytes. */
    TRANSPORT("transport"),

    /** Context that the agent does not take. */
    CONTEXT("context"),

    /** Settings that cannot work. */
    CONFIGURATION("configuration"),

    /** Nobody of that name, id or description. */
    NOT_FOUND("not_found"),

    /** Several agents of different keys share the name. */
    AMBIGUOUS("ambiguous"),

    /** A bound on work at one time is reached. */
    BUSY("busy"),

    /** Time was up. */
    DEADLINE("deadline"),

    /** Given up by the caller, the callee or its node. */
    CANCELLED("cancelled"),

    /** Too many hops or nested calls. */
    HOP_LIMIT("hop_limit"),

    /** The call came back to an agent that does not take its own calls. */
    CYCLE("cycle"),

    /** A name, identity or key is taken or has changed. */
    CONFLICT("conflict"),

    /** A newer attempt of the same call is known. */
    STALE_ATTEMPT("stale_attempt"),

    /** The connection went away and the call may or may not have run. */
    UNKNOWN_OUTCOME("unknown_outcome"),

    /** No budget is left, or one is required. */
    BUDGET_EXHAUSTED("budget_exhausted"),

    /** The call tree was stopped. */
    KILLED("killed"),

    /** The agent's own code failed. */
    HANDLER_FAILED("handler_failed"),

    /** A bound on size is passed. */
    TOO_LARGE("too_large"),

    /** The other side cannot do this. */
    UNSUPPORTED("unsupported"),

    /** A record, token or lease is past its time. */
    EXPIRED("expired"),

    /** A key or token was withdrawn. */
    REVOKED("revoked"),

    /** Not allowed. */
    DENIED("denied"),

    /** A wrong argument of this program's own call. */
    INVALID_ARGUMENT("invalid_argument"),

    /** The node is closed. */
    CLOSED("closed"),

    /** A fault of Hubless itself. */
    INTERNAL("internal"),
    ;

    public companion object {
        private val byWire = entries.associateBy(ErrorKind::wire)

        /** Finds a kind by its [wire] name; a name not known here is [INTERNAL]. */
        @JvmStatic
        public fun of(wire: String): ErrorKind = byWire[wire] ?: INTERNAL
    }
}

/**
 * Says whether asking again may help.
 *
 * @sample dev.hubless.samples.CallSamples.deadline
 */
public sealed interface Retry {
    /** Never with the same request. */
    public data object Never : Retry

    /** Some time later. */
    public data object Later : Retry

    /**
     * Not before some time has passed.
     *
     * @property delay how long to wait
     */
    public data class After(val delay: Duration) : Retry
}

/**
 * The bound that was reached.
 *
 * @property name name of the bound, as in the table of limits
 * @property value its value in the bound's own unit
 * @sample dev.hubless.samples.CallSamples.bounds
 */
public data class Limit(val name: String, val value: Long)

/**
 * Everything known about a failure; the same fields in every language.
 *
 * @property kind the closed kind
 * @property message lower-case sentence that says what was expected and what came
 * @property code open snake_case detail of the kind
 * @property operation what was being done, such as `request`
 * @property field the field of the request or options at fault
 * @property limit the bound that was reached
 * @property retry whether asking again may help
 * @property agent name or id of the agent concerned
 * @property origin key of the node that said so
 * @property traceId W3C trace id of the call
 * @property pointer JSON pointer (RFC 6901) to what does not fit its schema; empty: all of it
 * @property candidates ids of the agents that share an ambiguous name
 * @sample dev.hubless.samples.CallSamples.errors
 */
public data class ErrorDetails(
    val kind: ErrorKind,
    val message: String,
    val code: String? = null,
    val operation: String? = null,
    val field: String? = null,
    val limit: Limit? = null,
    val retry: Retry = Retry.Never,
    val agent: String? = null,
    val origin: String? = null,
    val traceId: String? = null,
    val pointer: String? = null,
    val candidates: List<String> = emptyList(),
)

/**
 * A failure, with the same kinds in every language.
 *
 * A handler may throw one on purpose, so that its caller sees that [kind] and [code]; anything else
 * a handler throws reaches the caller as [ErrorKind.HANDLER_FAILED].
 *
 * @property details all fields at once
 * @sample dev.hubless.samples.CallSamples.errors
 */
public open class HublessException internal constructor(
    public val details: ErrorDetails,
    cause: Throwable? = null,
    /** What the caller of a handler is told; null leaves it to the kind. */
    internal val saysRetry: Retry? = details.retry,
) : RuntimeException(details.message, cause) {
    /**
     * Makes a failure to be thrown by a handler.
     *
     * @param retry whether asking again may help; default what the kind says
     * @param field the field of the request at fault
     */
    @JvmOverloads
    public constructor(
        kind: ErrorKind,
        message: String,
        code: String? = null,
        retry: Retry? = null,
        field: String? = null,
    ) : this(
        ErrorDetails(kind, message, code, field = field, retry = retry ?: Retry.Never),
        null,
        retry,
    )

    /** The closed kind. */
    public val kind: ErrorKind get() = details.kind

    /** Open snake_case detail of the kind. */
    public val code: String? get() = details.code

    /** What was being done, such as `request`. */
    public val operation: String? get() = details.operation

    /** The field of the request or options at fault. */
    public val field: String? get() = details.field

    /** The bound that was reached. */
    public val limit: Limit? get() = details.limit

    /** Whether asking again may help. */
    public val retry: Retry get() = details.retry

    /** Name or id of the agent concerned. */
    public val agent: String? get() = details.agent

    /** Key of the node that said so. */
    public val origin: String? get() = details.origin

    /** W3C trace id of the call. */
    public val traceId: String? get() = details.traceId

    /** JSON pointer (RFC 6901) to the value that does not fit its schema; empty: all of it. */
    public val pointer: String? get() = details.pointer

    override fun toString(): String {
        val name = if (code == null) kind.wire else "${kind.wire}/$code"
        return "${javaClass.simpleName}($name): $message"
    }
}

/**
 * A refusal by a peer: the agent or its node said no, with a typed reason.
 *
 * @sample dev.hubless.samples.CallSamples.errors
 */
public class Rejected internal constructor(details: ErrorDetails) :
    HublessException(details)
