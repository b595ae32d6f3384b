package dev.hubless.testing

import dev.hubless.Credential
import dev.hubless.Node
import dev.hubless.NodeOptions
import dev.hubless.internal.ask
import dev.hubless.internal.emptyObject
import dev.hubless.internal.long
import dev.hubless.internal.obj
import dev.hubless.internal.some
import dev.hubless.internal.text
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.put
import java.nio.file.Path
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.atomic.AtomicBoolean
import kotlin.time.Duration

/**
 * Runs [block] in a mesh of its own with one node, and removes it afterwards.
 *
 * @sample dev.hubless.samples.TestingSamples.mesh
 */
public suspend fun <T> testMesh(block: suspend TestMesh.() -> T): T {
    val mesh = TestMesh.start()
    try {
        return mesh.block()
    } finally {
        mesh.end()
    }
}

/**
 * A mesh of its own in a temporary home: its nodes read no `HUBLESS_*` variable, bind loopback only
 * and meet nobody else. Its end closes them and removes the home.
 *
 * @property home folder of its nodes; files of a test may be put there
 * @sample dev.hubless.samples.TestingSamples.mesh
 */
public class TestMesh private constructor(made: JsonObject) : AutoCloseable {
    private val handle = made.long("mesh") ?: 0
    private val nodes = CopyOnWriteArrayList<Node>()
    private val ended = AtomicBoolean()

    public val home: Path = Path.of(made.text("home").orEmpty())

    /** The node that was started first. */
    public val node: Node get() = nodes.first()

    /**
     * Starts another node of this mesh.
     *
     * @param configure everything but mesh, home, listen, port and memory
     */
    public suspend fun start(configure: NodeOptions.() -> Unit = {}): Node {
        val options = NodeOptions().apply(configure).apply { testing = handle }
        return Node.start(options).also(nodes::add)
    }

    /**
     * Registers a fake peer.
     *
     * @param skills ids of its skills
     * @param tags words to find it by
     * @param at the node that it is registered at
     */
    public suspend fun fake(
        name: String,
        skills: List<String> = emptyList(),
        tags: Set<String> = emptySet(),
        at: Node = node,
        script: Script.() -> Unit,
    ): FakePeer {
        val agent = obj {
            put("name", name)
            put("skills", JsonArray(skills.map { obj { put("id", it) } }))
            some("tags", tags)
        }
        return fake(agent, Script().apply(script).json(), at)
    }

    /** Registers a fake peer with a script in its JSON form, as the contract has it. */
    public suspend fun fake(name: String, script: String, at: Node = node): FakePeer =
        fake(obj { put("name", name) }, Json.parseToJsonElement(script), at)

    private suspend fun fake(agent: JsonObject, script: JsonElement, at: Node): FakePeer {
        val body = obj {
            put("agent", agent)
            put("script", script)
        }
        return FakePeer(at, at.session.call("testing.fake", body).body)
    }

    /**
     * Registers a fake peer that answers as recorded.
     *
     * @param name its name; default the recorded one
     * @param mode default strict: requests must come in the recorded order, each once
     * @throws dev.hubless.HublessException of kind `configuration`, code `bad_file` or
     * `newer_format`
     */
    public suspend fun replay(
        path: Path,
        name: String? = null,
        mode: ScriptMode? = null,
        at: Node = node,
    ): FakePeer {
        val body = obj {
            put("path", path.toAbsolutePath().toString())
            some("mode", mode?.wire)
            put("agent", obj { some("name", name) })
        }
        return FakePeer(at, at.session.call("testing.replay", body).body)
    }

    /**
     * Registers a recorder of the peer [to] under [name]; ask that one instead.
     *
     * @param redact further names whose values are kept out of the recording
     * @param auth credential for the peer
     * @param at a node that finds the peer; one of another mesh may be given
     */
    public suspend fun record(
        to: String,
        name: String,
        redact: Set<String> = emptySet(),
        auth: Credential? = null,
        at: Node = node,
    ): Recorder {
        val credential = auth?.let {
            obj {
                put("scheme", it.scheme)
                put("secret", it.secret)
            }
        }
        val body = obj {
            put("to", to)
            put("agent", obj { put("name", name) })
            some("redact", redact)
            some("auth", credential)
        }
        return Recorder(at, at.session.call("testing.record", body).body)
    }

    /** Closes its nodes without grace and removes its home, also when cancelled; idempotent. */
    public suspend fun end() {
        if (!ended.compareAndSet(false, true)) return
        withContext(NonCancellable) { close(nodes.toList()) }
    }

    /** From the last to the first, each also where the one before failed; then the home. */
    private suspend fun close(open: List<Node>) {
        try {
            open.lastOrNull()?.close(Duration.ZERO)
        } finally {
            when (open.isEmpty()) {
                true -> ask("testing.drop", obj { put("mesh", handle) })
                false -> close(open.dropLast(1))
            }
        }
    }

    /** As [end], for those who do not suspend; blocks for milliseconds. */
    override fun close(): Unit = runBlocking { end() }

    override fun toString(): String = "TestMesh($home)"

    public companion object {
        /** Makes a mesh with one node; the caller closes it. */
        public suspend fun start(): TestMesh {
            val mesh = TestMesh(ask("testing.mesh", emptyObject))
            try {
                mesh.start { }
            } catch (failure: Throwable) {
                mesh.end()
                throw failure
            }
            return mesh
        }
    }
}
