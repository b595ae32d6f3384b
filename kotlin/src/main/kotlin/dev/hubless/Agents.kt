package dev.hubless

import dev.hubless.internal.Handler
import dev.hubless.internal.HostedAgent
import dev.hubless.internal.Serving
import dev.hubless.internal.Shape
import dev.hubless.internal.answering
import dev.hubless.internal.long
import dev.hubless.internal.obj
import dev.hubless.internal.registerBody
import dev.hubless.internal.some
import dev.hubless.internal.text
import dev.hubless.internal.wholeMs
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.map
import kotlinx.serialization.json.put
import kotlin.time.Duration

/**
 * An agent that lives in this node until it is unregistered or the node is closed.
 *
 * @property node its node
 * @property agentId its id
 * @property address short form of its id
 * @property name its name
 * @property reach its id with its node, `did:key:…@<node key>`: who is handed it calls the agent at
 *   once, while other nodes know a transient agent by the rest after a second only
 * @sample dev.hubless.samples.AgentSamples.function
 */
public class RegisteredAgent internal constructor(
    public val node: Node,
    public val agentId: String,
    public val address: String,
    public val name: String,
    public val reach: String,
    internal val handle: Long,
) {
    /** Refuses new calls and lets running ones end, for at most [grace]. */
    public suspend fun unregister(grace: Duration? = null) {
        val body = obj {
            put("agent", handle)
            some("graceMs", grace?.let(::wholeMs))
        }
        node.session.call("unregister", body)
        node.host.agents.remove(handle)
    }

    /**
     * States how well it is, for the order in which others find it: one that is down comes last,
     * and is still called by who asks for it; up takes the word back.
     *
     * @throws HublessException kind `unsupported` for a transient agent that others know already
     */
    public suspend fun health(state: Health) {
        val body = obj {
            put("agent", handle)
            put("health", state.name.lowercase())
        }
        node.session.call("health", body)
    }

    override fun toString(): String = "RegisteredAgent($name, $address)"
}

/**
 * How well an agent says it is.
 *
 * @sample dev.hubless.samples.AgentSamples.health
 */
public enum class Health {
    /** Nothing speaks against it. */
    UP,

    /** It may not do what it is asked. */
    SUSPECT,

    /** It cannot do what it is asked. */
    DOWN,
}

/**
 * An agent as an object: one function for everything that is asked.
 *
 * @sample dev.hubless.samples.AgentSamples.handler
 */
public fun interface AgentHandler {
    /** Handles one call; a [Flow] is streamed, anything else is the whole answer. */
    public suspend fun handle(call: CallContext): Any?
}

/**
 * Registers a function as an agent with one skill that bears its name.
 *
 * The schemas come from the types: text, a `@Serializable` type, JSON, [Content], bytes or `Unit`.
 * The function runs in the node's scope, and is cancelled when its caller goes away.
 *
 * @param name 1 to 64 of `a-z 0-9 - _ .`, unique in the node
 * @param description what it is for, for people and models
 * @param tags words to be found by
 * @param configure everything else
 * @throws HublessException kind `conflict`, code `name_taken`, if the name is in use
 */
public suspend inline fun <reified I, reified O> Node.agent(
    name: String,
    description: String? = null,
    tags: Set<String> = emptySet(),
    noinline configure: AgentOptions.() -> Unit = {},
    noinline handler: suspend CallContext.(I) -> O,
): RegisteredAgent =
    typedAgent(
        agentOptions(name, description, tags),
        configure,
        shapeOf<I>() to shapeOf<O>(),
        handler,
    )

/** Registers a function whose answer is streamed piece by piece, under back-pressure. */
public suspend inline fun <reified I, reified O> Node.streamingAgent(
    name: String,
    description: String? = null,
    tags: Set<String> = emptySet(),
    noinline configure: AgentOptions.() -> Unit = {},
    noinline handler: suspend CallContext.(I) -> Flow<O>,
): RegisteredAgent = streamedAgent(
    agentOptions(name, description, tags),
    configure,
    shapeOf<I>() to shapeOf<O>(),
    handler,
)

/** Registers an object that handles everything that is asked of the agent. */
public suspend fun Node.register(
    name: String,
    handler: AgentHandler,
    configure: AgentOptions.() -> Unit = {},
): RegisteredAgent {
    val options = agentOptions(name, null, emptySet())
    options.skill { }
    return registerAgent(options.apply(configure), Serving(Handler(handler::handle), null))
}

/**
 * Registers an agent that is made anew by [factory] for every call and dropped at its end; one that
 * is `AutoCloseable` is closed then.
 */
public suspend fun Node.registerFactory(
    name: String,
    configure: AgentOptions.() -> Unit = {},
    factory: () -> AgentHandler,
): RegisteredAgent {
    val options = agentOptions(name, null, emptySet())
    options.skill { }
    options.configure()
    options.concurrency = Concurrency.ISOLATED
    val serving = Serving(null) {
        val made = factory()
        Serving.Instance(Handler(made::handle), made)
    }
    return registerAgent(options, serving)
}

@PublishedApi
internal fun agentOptions(name: String, description: String?, tags: Set<String>): AgentOptions =
    AgentOptions(name).also {
        it.description = description
        it.tags = tags
    }

@PublishedApi
internal suspend fun <I, O> Node.typedAgent(
    options: AgentOptions,
    configure: AgentOptions.() -> Unit,
    shapes: Pair<Shape<I>, Shape<O>>,
    handler: suspend CallContext.(I) -> O,
): RegisteredAgent {
    options.typed(shapes.first, shapes.second, configure)
    val serving = Serving(
        { call ->
            val result = call.handler(shapes.first.read(call.content, "call"))
            answering { shapes.second.write(result) }
        },
        null,
    )
    return registerAgent(options, serving)
}

@PublishedApi
internal suspend fun <I, O> Node.streamedAgent(
    options: AgentOptions,
    configure: AgentOptions.() -> Unit,
    shapes: Pair<Shape<I>, Shape<O>>,
    handler: suspend CallContext.(I) -> Flow<O>,
): RegisteredAgent {
    options.streaming = true
    options.typed(shapes.first, null, configure)
    val serving = Serving(
        { call ->
            call.handler(shapes.first.read(call.content, "call"))
                .map { answering { shapes.second.piece(it) } }
        },
        null,
    )
    return registerAgent(options, serving)
}

private fun AgentOptions.typed(
    input: Shape<*>,
    output: Shape<*>?,
    configure: AgentOptions.() -> Unit,
) {
    skill {
        inputSchema = input.schema()
        outputSchema = output?.schema()
    }
    configure()
}

/** Registers the code of an agent under its options; the one way into the core. */
internal suspend fun Node.registerAgent(options: AgentOptions, serving: Serving): RegisteredAgent {
    val rules = options.requirements
    val hosted = HostedAgent(serving, rules?.auth?.function, rules?.tokenCounter)
    // An agent registered inside an isolated call belongs to that call.
    val parent = currentCall()?.takeIf { it.node === this && it.isFresh }?.handle
    val body = host.keeping(hosted) { hooks ->
        session.call("register", registerBody(options, parent), hooks = hooks).body
    }
    return RegisteredAgent(
        node = this,
        agentId = body.text("agentId").orEmpty(),
        address = body.text("address").orEmpty(),
        name = body.text("name") ?: options.name,
        reach = body.text("reach").orEmpty(),
        handle = body.long("agent") ?: 0,
    )
}
