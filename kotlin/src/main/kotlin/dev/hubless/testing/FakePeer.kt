package dev.hubless.testing

import dev.hubless.Caller
import dev.hubless.Content
import dev.hubless.Node
import dev.hubless.internal.callerOf
import dev.hubless.internal.child
import dev.hubless.internal.contentOf
import dev.hubless.internal.emptyObject
import dev.hubless.internal.long
import dev.hubless.internal.obj
import dev.hubless.internal.objects
import dev.hubless.internal.text
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.put
import java.nio.file.Path

/**
 * What became of a request to a fake peer.
 *
 * @sample dev.hubless.samples.TestingSamples.script
 */
public enum class Ending {
    /** It is being answered, or waits at a gate. */
    OPEN,

    /** It got an answer. */
    ANSWERED,

    /** It got the error of its step. */
    FAILED,

    /** No step fitted it. */
    REFUSED,

    /** It was given up before its answer. */
    CANCELLED,
}

/**
 * A request that a fake peer was asked.
 *
 * @property skill the skill that was meant
 * @property content what was asked
 * @property caller who asked
 * @property conversationId the conversation that it belongs to
 * @property metadata metadata of the request
 * @property step the step that answers it, counted from 0; null where none fits
 * @property ending what became of it
 * @sample dev.hubless.samples.TestingSamples.script
 */
public class Asked internal constructor(
    public val skill: String?,
    public val content: Content,
    public val caller: Caller,
    public val conversationId: String?,
    public val metadata: JsonObject,
    public val step: Int?,
    public val ending: Ending,
) {
    /** The text of its single text part, the value of its single data part, else null. */
    public val value: JsonElement? get() = content.value

    override fun toString(): String = "Asked($ending, ${content.text.ifEmpty { "$value" }})"
}

/**
 * An agent that answers by a script and remembers what it was asked.
 *
 * A request that no step fits is refused: kind `handler_failed`, code `script_unmatched` or
 * `script_used_up`, with a message that names what came and which steps are open.
 *
 * @property node the node that it is registered at
 * @property name its name
 * @property agentId its id
 * @sample dev.hubless.samples.TestingSamples.script
 */
public class FakePeer internal constructor(public val node: Node, registered: JsonObject) {
    private val handle = registered.long("agent") ?: 0

    public val name: String = registered.text("name").orEmpty()

    public val agentId: String = registered.text("agentId").orEmpty()

    /**
     * Waits until so many requests have come; gives the last 10,000 of them, oldest first. Of more
     * than 64 MiB in all, the oldest are forgotten as well.
     */
    public suspend fun asked(atLeast: Long = 0): List<Asked> {
        val body = obj {
            put("agent", handle)
            put("atLeast", atLeast)
        }
        val done = node.session.call("testing.asked", body)
        return done.body.objects("asked").map { askedOf(it, done.attachments) }
    }

    /** How many requests have come. */
    public suspend fun count(): Long {
        val body = obj {
            put("agent", handle)
            put("countOnly", true)
        }
        return node.session.call("testing.asked", body).body.long("count") ?: 0
    }

    /**
     * Opens a gate for good: answers that are held by it go on.
     *
     * @throws dev.hubless.HublessException of kind `invalid_argument` unless a step has it
     */
    public suspend fun release(gate: String) {
        val body = obj {
            put("agent", handle)
            put("gate", gate)
        }
        node.session.call("testing.release", body)
    }

    /**
     * Checks that the whole script was asked for, and nothing else.
     *
     * @throws dev.hubless.HublessException of kind `conflict`, code `script_unmet`
     */
    public suspend fun verify() {
        node.session.call("testing.verify", of())
    }

    /** Takes it out at once. */
    public suspend fun unregister() {
        node.takeOut(handle)
    }

    private fun of() = obj { put("agent", handle) }

    private fun askedOf(json: JsonObject, attachments: List<ByteArray>) = Asked(
        skill = json.text("skill")?.ifEmpty { null },
        content = node.session.contentOf(json.child("content") ?: emptyObject, attachments),
        caller = callerOf(json.child("caller") ?: emptyObject),
        conversationId = json.text("conversationId"),
        metadata = json.child("metadata") ?: emptyObject,
        step = json.long("step")?.toInt(),
        ending = Ending.entries.first { it.name.lowercase() == json.text("ending") },
    )

    override fun toString(): String = "FakePeer($name)"
}

/**
 * Stands in for a real peer and writes down what passes, with chunks, progress and errors.
 *
 * Values under names such as `password`, `token` and `apiKey` never get into the file, nor
 * credentials of requests; tools and questions pass through unrecorded, and bytes of blobs are not
 * looked into.
 *
 * @property node the node that it is registered at
 * @property name its name
 * @property agentId its id
 * @sample dev.hubless.samples.TestingSamples.record
 */
public class Recorder internal constructor(public val node: Node, registered: JsonObject) {
    private val handle = registered.long("agent") ?: 0

    public val name: String = registered.text("name").orEmpty()

    public val agentId: String = registered.text("agentId").orEmpty()

    /**
     * Writes the recording, whole or not at all; requests that have not ended are not in it.
     *
     * @return how many requests are in it
     * @throws dev.hubless.HublessException of kind `too_large` beyond 10,000 requests or 64 MiB, or
     * `configuration`, code `not_writable`
     */
    public suspend fun save(path: Path): Int {
        val body = obj {
            put("agent", handle)
            put("path", path.toAbsolutePath().toString())
        }
        return node.session.call("testing.save", body).body.long("steps")?.toInt() ?: 0
    }

    /** Takes it out at once. */
    public suspend fun unregister() {
        node.takeOut(handle)
    }

    override fun toString(): String = "Recorder($name)"
}

private suspend fun Node.takeOut(handle: Long) {
    val body = obj {
        put("agent", handle)
        put("graceMs", 0)
    }
    session.call("unregister", body)
}
