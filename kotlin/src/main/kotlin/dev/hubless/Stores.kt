package dev.hubless

import dev.hubless.internal.obj
import dev.hubless.internal.objects
import dev.hubless.internal.some
import dev.hubless.internal.text
import dev.hubless.internal.texts
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.contentOrNull
import kotlinx.serialization.json.put
import java.util.UUID

/**
 * What a node brings along when it calls; a target is an agent id, a mesh or a URL's origin.
 *
 * @sample dev.hubless.samples.NodeSamples.credentials
 */
public class Credentials internal constructor(private val node: Node) {
    /** Stores a secret for [target]; the longest match counts. */
    public suspend fun set(target: String, secret: String, scheme: String? = null) {
        node.session.call(
            "credential.set",
            obj {
                put("target", target)
                some("scheme", scheme)
                put("secret", secret)
            },
        )
    }

    /** Has [provider] asked whenever a call to [target] wants a credential. */
    public suspend fun set(target: String, provider: suspend (target: String) -> Credential?) {
        val key = UUID.randomUUID().toString()
        node.host.secrets[key] = provider
        try {
            node.session.call(
                "credential.set",
                obj {
                    put("target", target)
                    put("provider", key)
                },
            )
        } catch (failure: Throwable) {
            node.host.secrets.remove(key)
            throw failure
        }
    }

    /** Forgets what is stored for [target]. */
    public suspend fun remove(target: String) {
        node.session.call("credential.remove", obj { put("target", target) })
    }
}

/**
 * Named beginnings of requests: content, context, auth, schemas, tools, metadata.
 *
 * @sample dev.hubless.samples.NodeSamples.templates
 */
public class Templates internal constructor(private val node: Node) {
    /** Stores a template; it is never changed by its use. */
    public suspend fun set(name: String, template: JsonObject) {
        node.session.call(
            "template.set",
            obj {
                put("name", name)
                put("template", template)
            },
        )
    }

    /** Forgets a template. */
    public suspend fun remove(name: String) {
        node.session.call("template.remove", obj { put("name", name) })
    }

    /** Names of all templates. */
    public suspend fun names(): List<String> {
        val body = node.session.call("template.list", obj {}).body
        return body.texts("templates").ifEmpty {
            body.objects("templates").mapNotNull { it.text("name") }
        }
    }
}

/**
 * Names that are tied to the ids of agents, so that no other key answers to them.
 *
 * @sample dev.hubless.samples.NodeSamples.pins
 */
public class Pins internal constructor(private val node: Node) {
    /** Id by name. */
    public suspend fun all(): Map<String, String> =
        node.session.call("pin.list", obj {}).body.objects("pins").associate {
            it.text("name").orEmpty() to (it["agentId"] as? JsonPrimitive)?.contentOrNull.orEmpty()
        }

    /** Ties [name] to [agentId], whatever it was tied to. */
    public suspend fun set(name: String, agentId: String) {
        node.session.call(
            "pin.set",
            obj {
                put("name", name)
                put("agentId", agentId)
            },
        )
    }

    /** Unties [name]. */
    public suspend fun remove(name: String) {
        node.session.call("pin.remove", obj { put("name", name) })
    }
}
