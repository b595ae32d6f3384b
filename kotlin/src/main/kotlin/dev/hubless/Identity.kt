package dev.hubless

import dev.hubless.internal.ask
import dev.hubless.internal.child
import dev.hubless.internal.emptyObject
import dev.hubless.internal.long
import dev.hubless.internal.obj
import dev.hubless.internal.some
import dev.hubless.internal.text
import kotlinx.serialization.json.put

/**
 * What a text is read as.
 *
 * @property wire its name in messages and the other languages
 * @sample dev.hubless.samples.NodeSamples.inspect
 */
public enum class IdentityKind(public val wire: String) {
    /** The id of an agent: its public key as `did:key`. */
    AGENT_ID("agentId"),

    /** The public key of a node: 64 hexadecimal digits. */
    NODE_KEY("nodeKey"),

    /** The id of a mesh: 64 hexadecimal digits. */
    MESH_ID("meshId"),

    /** The short address of an agent: `N:NNNN.HHHH.LLLL`. */
    ADDRESS("address"),

    /** The name of an agent. */
    NAME("name"),

    /** Whatever a request can be for: an id, an address, a name or `name@mesh`. */
    TARGET("target"),
}

/**
 * A text that names an agent, a node or a mesh, as read by [Hubless.inspectId].
 *
 * @property text the canonical form
 * @property key the Ed25519 public key of an agent id: 64 lower-case hexadecimal digits
 * @property address the short address of an agent id within the mesh that was given
 * @sample dev.hubless.samples.NodeSamples.inspect
 */
public data class Identity(
    public val text: String,
    public val key: String? = null,
    public val address: String? = null,
)

/** Reads [text] as what it is to be. */
internal fun inspect(text: String, kind: IdentityKind, mesh: String?): Identity {
    val question = obj {
        put("text", text)
        put("kind", kind.wire)
        some("mesh", mesh)
    }
    val read = ask("id.inspect", question)
    return Identity(read.text("text").orEmpty(), read.text("key"), read.text("address"))
}

/** Reads the table of bounds. */
internal fun bounds(): Map<String, Long> {
    val all = ask("limits", emptyObject).child("limits") ?: emptyObject
    return all.mapValues { (name, _) -> all.long(name) ?: 0 }
}
