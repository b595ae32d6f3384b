package dev.hubless

import dev.hubless.internal.Native
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import kotlin.concurrent.thread

/**
 * Runs [block] with a node that joins this user's mesh on this machine; closes it at the end.
 *
 * Handlers run on the dispatcher of the caller. Whatever ends the block, running calls get the
 * grace of the options to end.
 *
 * ```
 * hubless {
 *     agent<RateQuery, Rate>("rate", tags = setOf("fx")) { query -> lookup(query) }
 *     val rate: Rate = peer("historic fx rates") { tag("fx") }.request(RateQuery("EURUSD"))
 * }
 * ```
 *
 * @sample dev.hubless.samples.NodeSamples.block
 */
public suspend fun <T> hubless(
    configure: NodeOptions.() -> Unit = {},
    block: suspend Node.() -> T,
): T = coroutineScope {
    val options = NodeOptions().apply(configure)
    if (options.scope == null) options.scope = this
    val node = Node.start(options)
    try {
        node.block()
    } finally {
        node.close(options.grace)
    }
}

/**
 * Serves until standard input ends, or the process is asked to stop.
 *
 * Cancelling the coroutine ends it at once; what comes on standard input is passed over.
 */
public suspend fun Node.serve() {
    val over = CompletableDeferred<Unit>()
    thread(isDaemon = true, name = "hubless-stdin") {
        runCatching { System.`in`.transferTo(java.io.OutputStream.nullOutputStream()) }
        over.complete(Unit)
    }
    over.await()
}

/**
 * What belongs to the process and not to one node.
 *
 * @sample dev.hubless.samples.NodeSamples.inspect
 */
public object Hubless {
    private val mutex = Mutex()
    private var default: Node? = null

    /** Version of the library. */
    @JvmStatic
    public val version: String get() = String(Native.version())

    /** Live sessions, agents, calls, streams and bodies of the process, for tests of leaks. */
    @JvmStatic
    public fun handles(): Int = Native.handles()

    /**
     * Reads an id, key, address or name, without a node and without asking anybody.
     *
     * @param kind what [text] is to be
     * @param mesh id of the mesh in which the address of an agent id is wanted
     * @throws HublessException of kind `invalid_argument`, with a code such as `bad_did`
     */
    @JvmStatic
    @JvmOverloads
    public fun inspectId(
        text: String,
        kind: IdentityKind = IdentityKind.TARGET,
        mesh: String? = null,
    ): Identity = inspect(text, kind, mesh)

    /**
     * Every bound of the library, by the name that the limit of an error says: times in
     * milliseconds, sizes in bytes. Needs no node.
     */
    @JvmStatic
    public fun limits(): Map<String, Long> = bounds()

    /**
     * The node of the process, started without options on first use and again after it was closed;
     * it is closed gracefully when the JVM ends.
     */
    public suspend fun node(): Node = mutex.withLock {
        default?.takeUnless { it.isClosed } ?: Node.start().also { default = it }
    }
}
