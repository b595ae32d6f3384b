package dev.hubless.demo

import dev.hubless.CallContext
import dev.hubless.Content
import dev.hubless.Effect
import dev.hubless.ErrorKind
import dev.hubless.HublessException
import dev.hubless.Part
import dev.hubless.agent
import dev.hubless.hubless
import dev.hubless.serve
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.encodeToJsonElement
import kotlinx.serialization.json.put
import java.lang.management.ManagementFactory

/** What the checker answers. */
@Serializable
data class Check(val ok: Boolean, val compared: Int, val mismatches: List<Mismatch>)

/** The demo's checker: recomputes the figures of a report from its table; see `DEMO.md`. */
suspend fun main() = hubless {
    val registered = agent<Content, Check>(
        "figure-checker",
        "Checks the figures of a weather report exactly against its table",
        setOf("check", "exact"),
        {
            skill {
                id = "check_figures"
                effect = Effect.PURE
                attribute("language", "kotlin")
                description = "Recompute figures from the raw CSV in integers and compare each one"
            }
        },
    ) { content -> check(content) }
    tell(
        "ready",
        buildJsonObject {
            put("language", "kotlin")
            put("name", registered.name)
            put("nodeKey", nodeKey)
            put("address", registered.address)
            put("pid", ProcessHandle.current().pid())
        },
    )
    serve()
}

private suspend fun CallContext.check(content: Content): Check {
    val began = System.nanoTime()
    val given = figuresOf(content)
    val table = content.binaries.singleOrNull() ?: throw unusable("expected one blob text/csv")
    progress("reading the table", 0.1)
    val found = Json.encodeToJsonElement(computeFigures(String(table.bytes())))
    progress("comparing", 0.8)
    val check = compareFigures(given, found)
    tell(
        "served",
        buildJsonObject {
            put("skill", "check_figures")
            put("caller", caller.agentId ?: caller.principal)
            put("ms", (System.nanoTime() - began) / 1_000 / 1_000.0)
        },
    )
    return check
}

private fun figuresOf(content: Content): JsonElement {
    val data = content.parts.filterIsInstance<Part.Data>().singleOrNull()?.value as? JsonObject
    return data?.get("figures") ?: throw unusable("expected one data part {\"figures\": …}")
}

/** A request that the checker cannot work on. */
internal fun unusable(message: String) =
    HublessException(ErrorKind.CONTENT, message, code = "unusable")

private fun tell(event: String, fields: JsonObject) {
    val line = buildJsonObject {
        put("event", event)
        put("t_ms", ManagementFactory.getRuntimeMXBean().uptime)
        fields.forEach { (name, value) -> put(name, value) }
    }
    println(line)
    System.out.flush()
}
