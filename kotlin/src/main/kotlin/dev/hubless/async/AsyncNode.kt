package dev.hubless.async

import dev.hubless.AgentOptions
import dev.hubless.CallContext
import dev.hubless.Node
import dev.hubless.NodeOptions
import dev.hubless.Peer
import dev.hubless.Query
import dev.hubless.RegisteredAgent
import dev.hubless.find
import dev.hubless.internal.ProxyFunctions
import dev.hubless.peer
import dev.hubless.register
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.DelicateCoroutinesApi
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.GlobalScope
import kotlinx.coroutines.future.future
import java.time.Duration
import java.util.concurrent.CompletableFuture
import java.util.function.Consumer
import kotlin.time.toKotlinDuration

/**
 * A node for Java and other languages without coroutines: the same node, with futures and builders.
 *
 * Cancelling a future cancels the call. Java records, enums and collections of them travel as JSON
 * without annotations.
 *
 * @sample dev.hubless.samples.AsyncSamples.builders
 */
public class AsyncNode internal constructor(
    /** The node itself. */
    public val node: Node,
) : AutoCloseable {
    /** Key of the node. */
    public val nodeKey: String get() = node.nodeKey

    /** Begins the registration of an agent. */
    public fun agent(name: String): AgentBuilder = AgentBuilder(node, name)

    /** Registers an object whose methods are marked [dev.hubless.Skill]. */
    @JvmOverloads
    public fun register(
        target: Any,
        configure: Consumer<AgentOptions> = Consumer {},
    ): CompletableFuture<RegisteredAgent> =
        node.scope.future { node.register(target) { configure.accept(this) } }

    /** Registers a class, of which each call gets an instance of its own. */
    @JvmOverloads
    public fun register(
        type: Class<*>,
        configure: Consumer<AgentOptions> = Consumer {},
    ): CompletableFuture<RegisteredAgent> =
        node.scope.future { node.register(type.kotlin) { configure.accept(this) } }

    /** Removes an agent; running calls end. */
    public fun unregister(agent: RegisteredAgent): CompletableFuture<Void?> =
        node.scope.future {
            agent.unregister()
            null
        }

    /** Begins a call of the agent [to]: an id, an address or a name. */
    public fun call(to: String): CallBuilder = CallBuilder(node, to)

    /** Asks the agent [to] and reads the answer as a [type]. */
    public fun <O> request(to: String, input: Any?, type: Class<O>): CompletableFuture<O> =
        call(to).input(input).request(type)

    /** Finds agents, the best first. */
    public fun find(query: Consumer<Query>): CompletableFuture<List<Peer>> =
        node.scope.future { node.find { query.accept(this) } }

    /** Finds the best agent; fails with kind `not_found` if there is none. */
    public fun peer(query: Consumer<Query>): CompletableFuture<Peer> =
        node.scope.future { node.peer { query.accept(this) } }

    /** Makes an agent look like an interface, see [dev.hubless.proxy]. */
    public fun <T : Any> proxy(type: Class<T>, to: String): T = ProxyFunctions.proxy(node, type, to)

    /** Ends the node gracefully: running calls get [grace] to end. */
    @OptIn(DelicateCoroutinesApi::class)
    public fun close(grace: Duration): CompletableFuture<Void?> =
        // Not in the node's own scope, which ends with it.
        GlobalScope.future {
            node.close(grace.toKotlinDuration())
            null
        }

    /** Ends the node gracefully within 10 s, and waits for it. */
    override fun close() {
        close(Duration.ofSeconds(10)).join()
    }

    public companion object {
        /** Starts a node; without options it joins the user's own mesh on this machine. */
        @JvmStatic
        @JvmOverloads
        public fun start(
            configure: Consumer<NodeOptions> = Consumer {},
        ): CompletableFuture<AsyncNode> = CoroutineScope(Dispatchers.Default).future {
            AsyncNode(Node.start { configure.accept(this) })
        }

        /** The node in whose handler a call is running. */
        @JvmStatic
        public fun of(call: CallContext): AsyncNode = AsyncNode(call.node)
    }
}
