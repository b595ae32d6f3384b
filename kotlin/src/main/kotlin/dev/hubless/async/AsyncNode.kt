package dev.hubless.async

import dev.hubless.AgentDescription
import dev.hubless.AgentOptions
import dev.hubless.AgentRequest
import dev.hubless.CallContext
import dev.hubless.Change
import dev.hubless.Credential
import dev.hubless.ErrorDetails
import dev.hubless.Health
import dev.hubless.InviteOptions
import dev.hubless.Node
import dev.hubless.NodeOptions
import dev.hubless.NodeStatus
import dev.hubless.Peer
import dev.hubless.Query
import dev.hubless.RegisteredAgent
import dev.hubless.RequestOptions
import dev.hubless.Response
import dev.hubless.Scope
import dev.hubless.check
import dev.hubless.describe
import dev.hubless.discover
import dev.hubless.find
import dev.hubless.internal.ProxyFunctions
import dev.hubless.listAgents
import dev.hubless.peer
import dev.hubless.register
import dev.hubless.send
import dev.hubless.watch
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.DelicateCoroutinesApi
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.GlobalScope
import kotlinx.coroutines.future.await
import kotlinx.coroutines.future.future
import java.nio.file.Path
import java.time.Duration
import java.util.concurrent.CompletableFuture
import java.util.concurrent.CompletionStage
import java.util.function.Consumer
import java.util.function.Function
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
        nothing { agent.unregister() }

    /** States how well an agent is, for the order in which others find it. */
    public fun health(agent: RegisteredAgent, state: Health): CompletableFuture<Void?> =
        nothing { agent.health(state) }

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

    /** Gives agents to [consumer] as they are found, until the future is cancelled. */
    public fun discover(
        query: Consumer<Query>,
        consumer: Consumer<Peer>,
    ): CompletableFuture<Void?> =
        nothing { node.discover { query.accept(this) }.collect(consumer::accept) }

    /** Gives what happens to matching agents to [consumer], until the future is cancelled. */
    public fun watch(query: Consumer<Query>, consumer: Consumer<Change>): CompletableFuture<Void?> =
        nothing { node.watch { query.accept(this) }.collect(consumer::accept) }

    /** Reads everything that an agent, given by id, name or address, publishes. */
    public fun describe(agent: String): CompletableFuture<AgentDescription> =
        node.scope.future { node.describe(agent) }

    /** Lists the agents of the node's own registry. */
    public fun listAgents(scope: Scope): CompletableFuture<List<Peer>> =
        node.scope.future { node.listAgents(scope) }

    /** Sends a request in its short form; a refusal is part of the result. */
    public fun send(request: AgentRequest): CompletableFuture<Response> =
        node.scope.future { node.send(request) }

    /** Runs the checks of an agent hosted here without calling it; null if it would be taken. */
    public fun check(agent: RegisteredAgent, input: Any?): CompletableFuture<ErrorDetails?> =
        node.scope.future { node.check(agent, input) }

    /** Has [provider] asked whenever a call to [target] wants a credential. */
    public fun credentials(
        target: String,
        provider: Function<String, CompletionStage<Credential?>>,
    ): CompletableFuture<Void?> = nothing {
        node.credentials.set(target) { wanted -> provider.apply(wanted).await() }
    }

    /** Makes a ticket with which another data folder joins this mesh. */
    public fun invite(configure: Consumer<InviteOptions>): CompletableFuture<String> =
        node.scope.future { node.invite { configure.accept(this) } }

    /** How the node is doing. */
    public fun status(): CompletableFuture<NodeStatus> = node.scope.future { node.status() }

    private fun nothing(work: suspend () -> Unit): CompletableFuture<Void?> = node.scope.future {
        work()
        null
    }

    /** Makes an agent look like an interface, see [dev.hubless.proxy]. */
    @JvmOverloads
    public fun <T : Any> proxy(
        type: Class<T>,
        to: String,
        configure: Consumer<RequestOptions> = Consumer {},
    ): T = ProxyFunctions.proxy(node, type, to) { configure.accept(this) }

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

        /**
         * Makes this user a member of another mesh by a ticket; gives the id of the mesh.
         *
         * @param home folder of the membership; null for the user's own
         */
        @JvmStatic
        public fun join(ticket: String, home: Path?): CompletableFuture<String> =
            CoroutineScope(Dispatchers.Default).future { Node.join(ticket, home) }

        /** The node in whose handler a call is running. */
        @JvmStatic
        public fun of(call: CallContext): AsyncNode = AsyncNode(call.node)
    }
}
