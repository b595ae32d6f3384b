package dev.hubless

import dev.hubless.internal.Host
import dev.hubless.internal.Log
import dev.hubless.internal.Session
import dev.hubless.internal.Shutdown
import dev.hubless.internal.authRuleOf
import dev.hubless.internal.json
import dev.hubless.internal.long
import dev.hubless.internal.obj
import dev.hubless.internal.objects
import dev.hubless.internal.some
import dev.hubless.internal.text
import dev.hubless.internal.textArray
import dev.hubless.internal.texts
import dev.hubless.internal.wholeMs
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.withContext
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.put
import java.nio.file.Path
import java.util.concurrent.atomic.AtomicBoolean
import kotlin.time.Duration
import kotlin.time.Duration.Companion.microseconds

/**
 * Another node as this one sees it.
 *
 * @property nodeKey its key
 * @property path how it is reached
 * @property roundTrip time there and back, if measured
 * @property agents number of its agents
 * @sample dev.hubless.samples.NodeSamples.status
 */
public data class PeerStatus(
    public val nodeKey: String,
    public val path: NetworkPath?,
    public val roundTrip: Duration?,
    public val agents: Int,
)

/**
 * How a node is doing.
 *
 * @property nodeKey its key
 * @property meshId its mesh
 * @property addresses where it listens
 * @property relays relays by which it can be reached, the likeliest first
 * @property agents number of agents registered here
 * @property peers the nodes it knows
 * @property calls number of calls running
 * @property version version of the library
 * @sample dev.hubless.samples.NodeSamples.status
 */
public data class NodeStatus(
    public val nodeKey: String,
    public val meshId: String,
    public val addresses: List<String>,
    public val relays: List<String>,
    public val agents: Int,
    public val peers: List<PeerStatus>,
    public val calls: Int,
    public val version: String,
)

/**
 * This process's presence in a mesh: agents are registered here, and others are found from here.
 *
 * Everything is safe to call from any thread and coroutine. Handlers run in coroutines of the scope
 * given at the start. No thread of a node keeps the JVM alive; a node left open at the end of the
 * JVM is closed gracefully.
 *
 * Calls made while a call is handled become its children by themselves, through the coroutine
 * context.
 *
 * @sample dev.hubless.samples.NodeSamples.start
 */
public class Node private constructor(private val options: NodeOptions) : AutoCloseable {
    private val job = SupervisorJob(options.scope?.coroutineContext?.get(Job))
    private val context = options.scope?.coroutineContext ?: Dispatchers.Default

    /** Without the call and the switch of whoever started the node: its handlers have their own. */
    internal val scope: CoroutineScope =
        CoroutineScope(context.minusKey(CallContext).minusKey(KillSwitch) + job)
    internal val host: Host = Host(this, scope)
    internal val session: Session = Session(scope, host::onEvent)
    private val closing = AtomicBoolean()
    private val ended = CompletableDeferred<Unit>()
    private lateinit var started: JsonObject

    /** Key of the node. */
    public val nodeKey: String get() = started.text("nodeKey").orEmpty()

    /** Mesh that it is a member of. */
    public val meshId: String get() = started.text("meshId").orEmpty()

    /** Folder of its data; null if everything is in memory. */
    public val home: Path? get() = started.text("home")?.let(Path::of)

    /** Whether it is closed, or about to be. */
    public val isClosed: Boolean get() = closing.get() || session.isClosed

    /** What is stored for the agents it calls. */
    public val credentials: Credentials = Credentials(this)

    /** Stored beginnings of requests. */
    public val templates: Templates = Templates(this)

    /** Names that are tied to ids. */
    public val pins: Pins = Pins(this)

    /** How the node is doing. */
    public suspend fun status(): NodeStatus {
        val body = session.call("node.status", obj {}).body
        return NodeStatus(
            nodeKey = body.text("nodeKey").orEmpty(),
            meshId = body.text("meshId").orEmpty(),
            addresses = body.texts("addresses"),
            relays = body.texts("relays"),
            agents = body.long("agents")?.toInt() ?: 0,
            peers = body.objects("peers").map(::peerStatus),
            calls = body.long("calls")?.toInt() ?: 0,
            version = body.text("version").orEmpty(),
        )
    }

    /**
     * Makes a ticket with which another data folder joins this mesh.
     *
     * @param role role of the new member
     * @param groups groups of the new member
     * @param configure everything else
     */
    public suspend fun invite(
        role: String? = null,
        groups: List<String> = emptyList(),
        configure: InviteOptions.() -> Unit = {},
    ): String {
        val options = InviteOptions().apply(configure)
        val body = obj {
            some("role", role)
            some("groups", groups)
            some("zones", options.zones)
            some("ttlS", options.lifetime?.inWholeSeconds)
            some("uses", options.uses)
            some("local", options.local)
            some("bearer", options.bearer)
        }
        return session.call("invite", body).body.text("ticket").orEmpty()
    }

    /** Says how callers are let in by agents without a rule of their own. */
    public suspend fun globalAuth(rule: AuthRule) {
        host.globalAuth = rule.function
        session.call("auth.global", obj { put("auth", authRuleOf(rule)) })
    }

    /**
     * Ends the node: refuses new calls, lets running ones end within [grace], says good-bye.
     *
     * Idempotent: a second one waits for the first. Calls that are still open fail with kind
     * `closed`. A cancelled caller does not stop the end.
     */
    public suspend fun close(grace: Duration) {
        withContext(NonCancellable) {
            if (!closing.compareAndSet(false, true)) {
                ended.await()
                return@withContext
            }
            try {
                session.call("node.close", obj { put("graceMs", wholeMs(grace)) })
            } catch (failure: HublessException) {
                if (failure.kind != ErrorKind.CLOSED) Log.events.warn("closing a node", failure)
            }
            end()
        }
    }

    /** Ends the node at once; see the other `close` for a graceful end. */
    override fun close() {
        closing.set(true)
        end()
    }

    private fun end() {
        Shutdown.forget(this)
        session.close()
        ended.complete(Unit)
        host.stop()
        // What still runs was cancelled; the scope may end when it has.
        job.complete()
        if (options.scope == null) scope.cancel()
    }

    /** Ends the node within its own grace; for the end of the JVM. */
    internal suspend fun closeInGrace(): Unit = close(options.grace)

    private suspend fun start() {
        session.start()
        val body = obj {
            some("name", options.name)
            some("mesh", options.mesh)
            some("home", options.home?.toAbsolutePath()?.toString())
            val listen = options.listen
            if (listen == listOf("loopback") || listen == listOf("all")) {
                put("listen", listen.single())
            } else if (listen.isNotEmpty()) {
                put("listen", textArray(listen))
            }
            some("port", options.port)
            some("zones", options.zones)
            put("log", Log.wanted())
            if (options.memoryOnly) put("memoryOnly", true)
            some("maxConcurrency", options.maxConcurrency)
            some("trace", options.trace)
            some("gateway", options.gateway)
            some("gatewayKey", options.gatewayKey)
            some("gatewaySigner", options.gatewaySigner)
            some("refund", options.refund)
            options.lan?.let { put("lan", it) }
            if (options.relays.isNotEmpty()) put("relays", textArray(options.relays))
            some("relayCa", options.relayCa?.toAbsolutePath()?.toString())
            some("orphans", options.orphans?.json())
            some("testing", options.testing)
        }
        try {
            started = session.call("node.start", body).body
        } catch (failure: Throwable) {
            close()
            throw failure
        }
        Shutdown.remember(this)
        // The end of the user's scope is the end of the node.
        job.invokeOnCompletion { close() }
    }

    private fun peerStatus(json: JsonObject) = PeerStatus(
        nodeKey = json.text("nodeKey").orEmpty(),
        path = NetworkPath.of(json.text("path")),
        roundTrip = json.long("rttUs")?.microseconds,
        agents = json.long("agents")?.toInt() ?: 0,
    )

    override fun toString(): String = if (::started.isInitialized) "Node($nodeKey)" else "Node"

    public companion object {
        /**
         * Starts a node; without options it joins the user's own mesh on this machine.
         *
         * The caller closes it; [hubless] does that by itself.
         */
        public suspend fun start(configure: NodeOptions.() -> Unit = {}): Node =
            start(NodeOptions().apply(configure))

        /** Starts a node with options made before. */
        public suspend fun start(options: NodeOptions): Node = Node(options).apply { start() }

        /**
         * Makes this user a member of another mesh by a ticket of [invite]; a node started with
         * that mesh then is one.
         *
         * @param home folder of the membership; default as in [NodeOptions.home]
         * @return id of the mesh
         */
        public suspend fun join(ticket: String, home: Path? = null): String {
            val session = Session(CoroutineScope(currentCoroutineContext())) { }
            session.start()
            try {
                val body = obj {
                    put("ticket", ticket)
                    some("home", home?.toAbsolutePath()?.toString())
                }
                return session.call("join", body).body.text("meshId").orEmpty()
            } finally {
                session.close()
            }
        }
    }
}

/**
 * What an invitation allows.
 *
 * @sample dev.hubless.samples.NodeSamples.invite
 */
@HublessDsl
public class InviteOptions {
    /** Zones that agents of the new member may say they are in, such as `eu`. */
    public var zones: Set<String> = emptySet()

    /** How long the ticket is good. */
    public var lifetime: Duration? = null

    /** How often it is good. */
    public var uses: Int? = null

    /** Whether it is good on this machine only. */
    public var local: Boolean? = null

    /**
     * Whether no running node is needed to join: good for at most 10 minutes, and as often as it is
     * used until then.
     */
    public var bearer: Boolean? = null
}
