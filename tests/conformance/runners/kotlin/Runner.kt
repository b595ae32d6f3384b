package dev.hubless.conformance

import dev.hubless.Node
import dev.hubless.hubless
import dev.hubless.serve
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.boolean
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.put
import java.nio.file.Files
import java.nio.file.Path
import kotlin.io.path.isDirectory
import kotlin.io.path.name
import kotlin.system.exitProcess

/** What is called where the subjects are in the node of the caller itself. */
private const val OWN = "own"

/** The conformance runner of Kotlin; see `tests/conformance/SUBJECT.md`. */
suspend fun main(args: Array<String>) {
    val options = args.drop(1).chunked(2).associate {
        it[0].removePrefix("--") to
            it.getOrElse(1) { "" }
    }
    when (args.firstOrNull()) {
        "serve" -> hubless { serveSubject(options["name"] ?: "kotlin") }
        "call" -> {
            val to = options.getValue("to")
            val cases = readCases(Path.of(options.getValue("cases")), options["only"])
            val failed = hubless { callAll(to, cases) }
            exitProcess(if (failed == 0) 0 else 1)
        }
        else -> {
            System.err.println(
                "usage: serve --name <name> | call --to <name> --cases <path> [--only ids]",
            )
            exitProcess(2)
        }
    }
}

private suspend fun Node.serveSubject(name: String) {
    Subject(this, name).register()
    say(
        buildJsonObject {
            put("ready", name)
            put("nodeKey", nodeKey)
        },
    )
    serve()
}

private suspend fun Node.callAll(to: String, cases: List<JsonObject>): Int {
    if (to == OWN) Subject(this, to).register()
    val caller = Caller(this, to)
    caller.waitForSubject()
    var failed = 0
    for (case in cases) {
        if (case["waits"]?.jsonPrimitive?.boolean == true) readlnOrNull()
        val outcome = caller.run(case)
        if (!outcome.ok) failed++
        say(outcome.json())
    }
    say(
        buildJsonObject {
            put("passed", cases.size - failed)
            put("failed", failed)
        },
    )
    return failed
}

private fun readCases(path: Path, only: String?): List<JsonObject> {
    val files = if (path.isDirectory()) {
        Files.list(path).use { all -> all.filter { it.name.endsWith(".json") }.sorted().toList() }
    } else {
        listOf(path)
    }
    val wanted = only?.split(',')?.toSet()
    return files.flatMap { file -> Json.parseToJsonElement(Files.readString(file)) as JsonArray }
        .map { it as JsonObject }
        .filter { wanted == null || it.getValue("id").jsonPrimitive.content in wanted }
}

/** Writes one line of the protocol. */
private fun say(line: JsonObject) {
    println(line)
    System.out.flush()
}
