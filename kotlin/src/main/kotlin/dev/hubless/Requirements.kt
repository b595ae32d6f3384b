package dev.hubless

import kotlin.time.Duration
import kotlin.time.toKotlinDuration

/**
 * What part of requests an agent takes, by kind of content.
 *
 * @sample dev.hubless.samples.AgentSamples.requirements
 */
public enum class ContentType {
    /** Text and JSON values. */
    TEXT,

    /** Pictures. */
    IMAGE,

    /** Moving pictures. */
    VIDEO,

    /** Sound. */
    AUDIO,

    /** Documents, archives, data. */
    APPLICATION,

    /** Anything else. */
    OTHER,
    ;

    internal val wire: String get() = name.lowercase()
}

/**
 * Somebody who wants to use an agent with an own auth function.
 *
 * @property scheme mechanism of the credential
 * @property credential the credential; empty if none was given
 * @property caller who asks
 * @sample dev.hubless.samples.AgentSamples.auth
 */
public class AuthAttempt internal constructor(
    public val scheme: String,
    public val credential: String,
    public val caller: Caller,
) {
    override fun toString(): String = "AuthAttempt($scheme, ${caller.principal})"
}

/**
 * What an auth function says, and for how long it may be remembered for the same caller and
 * credential.
 *
 * @property allow whether the caller is let in
 * @property keep time for which the function is not asked again: at most 60 s, default not at all
 * @sample dev.hubless.samples.AgentSamples.verdict
 */
public class Verdict(public val allow: Boolean, public val keep: Duration = Duration.ZERO) {
    public companion object {
        /** The same with a time of Java's. */
        @JvmStatic
        public fun of(allow: Boolean, keep: java.time.Duration): Verdict =
            Verdict(allow, keep.toKotlinDuration())
    }
}

/**
 * How an agent, or a whole node, lets callers in.
 *
 * @sample dev.hubless.samples.AgentSamples.auth
 */
public sealed class AuthRule {
    /** Everybody, even if the node has a rule of its own. */
    public data object Open : AuthRule()

    /** Who knows the secret. */
    public class SharedSecret(internal val secret: String) : AuthRule()

    /**
     * Who shows a Biscuit token that one root signed and that states certain facts, as
     * `Credential("token", token)`. `hubless id token` signs such tokens, as does any library for
     * Biscuit tokens.
     *
     * Source: Biscuit 3 (https://www.biscuitsec.org).
     *
     * @param root public key of the root as 64 hex digits; that of a mesh is the mesh id
     * @param facts what the root must have stated: texts, whole numbers and booleans; of a list,
     *   each value
     * @sample dev.hubless.samples.AgentSamples.token
     */
    public class Token @JvmOverloads constructor(
        internal val root: String,
        internal val facts: Map<String, Any> = emptyMap(),
    ) : AuthRule()

    /** Whom a function lets in; at most 32 run at once, 5 s each. */
    public class Function(internal val check: suspend (AuthAttempt) -> Boolean) : AuthRule()

    /** Whom a function lets in, whose verdicts may be remembered for a time. */
    public class Verdicts(internal val check: suspend (AuthAttempt) -> Verdict) : AuthRule()

    /** The function to be asked, if the rule has one. */
    internal val function: (suspend (AuthAttempt) -> Verdict)?
        get() = when (this) {
            is Function -> ({ attempt -> Verdict(check(attempt)) })
            is Verdicts -> check
            is Open, is SharedSecret, is Token -> null
        }
}

/**
 * Who may call an agent; an empty list does not restrict.
 *
 * @sample dev.hubless.samples.AgentSamples.requirements
 */
@HublessDsl
public class AllowedCallers {
    /** Principals, with a closing `*` for prefixes. */
    public var principals: List<String> = emptyList()

    /** Ids of agents. */
    public var agentIds: List<String> = emptyList()

    /** Groups of the caller's membership. */
    public var groups: List<String> = emptyList()
}

/**
 * What an agent enforces. Private: it never leaves its node, and a refusal names the field, never
 * the rule. A field left null does not restrict, or has the default of the core.
 *
 * @sample dev.hubless.samples.AgentSamples.requirements
 */
@HublessDsl
public class Requirements {
    /** Whether content must be a conversation; default false. */
    public var requireConverse: Boolean? = null

    /**
     * False: refuses requests that reshape it, by own schemas or an explanation of the context.
     * True: its key may serve a second agent of this node that allows it too.
     */
    public var allowAgentDuplication: Boolean? = null

    /** Whether callers may send context; default true. */
    public var allowCustomContext: Boolean? = null

    /** Whether callers may send schemas of their own; default true. */
    public var allowCustomJson: Boolean? = null

    /** Whether context may have pages; default true. */
    public var allowMultiPageContext: Boolean? = null

    /** Whether callers outside the mesh may ask; default false. */
    public var allowExternalConnections: Boolean? = null

    /** Kinds of content that are taken; default all. */
    public var acceptedContent: Set<ContentType>? = null

    /** Tokens of all text that reaches the model; default no limit, 0 refuses everything. */
    public var maxTokens: Long? = null

    /** Bytes of a whole request. */
    public var maxRequestBytes: Long? = null

    /** Bytes of all binary parts; default 64 MiB. */
    public var maxBinaryBytes: Long? = null

    /** How callers are let in; default the node's own rule. */
    public var auth: AuthRule? = null

    /** Calls at one time; default 256. */
    public var maxConcurrency: Int? = null

    /** Calls that wait; default 1,024. */
    public var queue: Int? = null

    /** Calls per second and caller; default no limit. */
    public var ratePerSecond: Double? = null

    /** Calls at once before [ratePerSecond] counts. */
    public var rateBurst: Int? = null

    /** Whether the agent may be called from inside its own calls; default true. */
    public var reentrant: Boolean? = null

    /** Ids of agents whose answers may be delivered here. */
    public var acceptReturnsFrom: List<String> = emptyList()

    internal var allowedCallers: AllowedCallers? = null
    internal var tokenCounter: (suspend (List<String>) -> Long)? = null

    /** Lets in who knows the [secret]. */
    public fun sharedSecret(secret: String) {
        auth = AuthRule.SharedSecret(secret)
    }

    /** Lets in who shows a token of [root] that states [facts]; see [AuthRule.Token]. */
    @JvmOverloads
    public fun token(root: String, facts: Map<String, Any> = emptyMap()) {
        auth = AuthRule.Token(root, facts)
    }

    /** Lets in whom [check] lets in. */
    public fun auth(check: suspend (AuthAttempt) -> Boolean) {
        auth = AuthRule.Function(check)
    }

    /** Lets in whom [check] lets in; its verdicts may be remembered for a time. */
    public fun authVerdict(check: suspend (AuthAttempt) -> Verdict) {
        auth = AuthRule.Verdicts(check)
    }

    /** Counts tokens by [counter] instead of the built-in tokeniser. */
    public fun countTokens(counter: suspend (List<String>) -> Long) {
        tokenCounter = counter
    }

    /** Restricts who may call. */
    public fun allowedCallers(configure: AllowedCallers.() -> Unit) {
        allowedCallers = AllowedCallers().apply(configure)
    }
}
