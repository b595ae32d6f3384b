package dev.hubless.internal

import dev.hubless.AgentOptions
import dev.hubless.AllowedCallers
import dev.hubless.AuthRule
import dev.hubless.Concurrency
import dev.hubless.Example
import dev.hubless.Interval
import dev.hubless.Requirements
import dev.hubless.SkillOptions
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonObjectBuilder
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.put
import java.time.LocalDate

/** Writes the body of `register`. */
internal fun registerBody(options: AgentOptions, parent: Long?): JsonObject = obj {
    put("name", options.name)
    // Before the skills, which repeat some of it: an error then names what the user said.
    putDescriptor(options)
    put("skills", JsonArray(options.skills.map { skillOf(it, options) }))
    put(
        "flags",
        obj {
            put("usesConverse", options.usesConverse)
            put("recordsInteractionContext", options.recordsInteractionContext)
            put("recordsPromptContent", options.recordsPromptContent)
        },
    )
    some("requirements", options.requirements?.let(::requirementsOf))
    put("concurrency", if (options.concurrency == Concurrency.ISOLATED) "isolated" else "shared")
    val stored = options.identity
    val identity = if (stored == null) "ephemeral" to true else "stored" to stored
    put("identity", obj { some(identity.first, identity.second) })
    if (options.transient) put("transient", true)
    if (options.replica) put("replica", true)
    some("parent", parent)
}

private fun JsonObjectBuilder.putDescriptor(options: AgentOptions) {
    some("title", options.title)
    some("description", options.description)
    some("version", options.version)
    some("tags", options.tags)
    some("groups", options.groups)
    some("contextProtocol", options.contextProtocol)
    some("inputSchemaKind", options.inputSchemaKind)
    some("contextWindowTokens", options.contextWindowTokens)
    some("contentTypesIn", options.contentTypesIn.map { it.wire })
    some("contentTypesOut", options.contentTypesOut.map { it.wire })
    some("allowedModels", options.allowedModels)
    some("streaming", options.streaming)
    some("costHint", options.costHint)
    some("tools", options.tools)
    some("requestTemplate", options.requestTemplate)
    some("needs", options.needs)
}

private fun skillOf(skill: SkillOptions, agent: AgentOptions): JsonObject = obj {
    put("id", skill.id)
    some("title", skill.title)
    some("description", skill.description ?: agent.description)
    some("tags", skill.tags)
    if (skill.attributes.isNotEmpty()) {
        put("attributes", JsonObject(skill.attributes.mapValues { attributeOf(it.value) }))
    }
    some("effect", skill.effect?.name)
    some("spends", skill.spends?.name?.lowercase())
    some("share", skill.share?.name?.lowercase())
    some("inputSchema", skill.inputSchema)
    some("outputSchema", skill.outputSchema)
    if (skill.examples.isNotEmpty()) put("examples", JsonArray(skill.examples.map(::exampleOf)))
    some("modesIn", skill.modesIn)
    some("modesOut", skill.modesOut)
    some("costHint", skill.costHint)
}

private fun exampleOf(example: Example): JsonObject = obj {
    some("text", example.text)
    some("input", example.input)
    some("output", example.output)
}

/** Writes a typed fact: text, a number, a flag, a date, an interval or a list of those. */
internal fun attributeOf(value: Any?): JsonElement = when (value) {
    null -> JsonNull
    is JsonElement -> value
    is String -> JsonPrimitive(value)
    is Number -> JsonPrimitive(value)
    is Boolean -> JsonPrimitive(value)
    is LocalDate -> obj { put("date", value.toString()) }

    is Interval -> obj {
        put(
            "interval",
            obj {
                put("from", boundOf(value.from))
                put("to", boundOf(value.to))
            },
        )
    }

    is Iterable<*> -> JsonArray(value.map(::attributeOf))
    else -> throw invalidArgument(
        "attributes",
        "expected text, number, flag, date, interval or list, got ${value.javaClass.name}",
    )
}

private fun boundOf(value: Any): JsonPrimitive =
    if (value is Number) JsonPrimitive(value) else JsonPrimitive(value.toString())

private fun requirementsOf(rules: Requirements): JsonObject = obj {
    some("requireConverse", rules.requireConverse)
    some("allowAgentDuplication", rules.allowAgentDuplication)
    some("allowCustomContext", rules.allowCustomContext)
    some("allowCustomJson", rules.allowCustomJson)
    some("allowMultiPageContext", rules.allowMultiPageContext)
    some("allowExternalConnections", rules.allowExternalConnections)
    rules.acceptedContent?.let { put("acceptedContent", textArray(it.map { type -> type.wire })) }
    some("maxTokens", rules.maxTokens)
    if (rules.tokenCounter != null) put("tokenCounter", "host")
    some("maxRequestBytes", rules.maxRequestBytes)
    some("maxBinaryBytes", rules.maxBinaryBytes)
    some("auth", rules.auth?.let(::authRuleOf))
    some("maxConcurrency", rules.maxConcurrency)
    some("queue", rules.queue)
    some("ratePerS", rules.ratePerSecond)
    some("rateBurst", rules.rateBurst)
    some("allowedCallers", rules.allowedCallers?.let(::allowedOf))
    some("reentrant", rules.reentrant)
    some("acceptReturnsFrom", rules.acceptReturnsFrom)
}

private fun allowedOf(allowed: AllowedCallers): JsonObject = obj {
    some("principals", allowed.principals)
    some("agentIds", allowed.agentIds)
    some("groups", allowed.groups)
}

/** Writes the AuthRule of the contract. */
internal fun authRuleOf(rule: AuthRule): JsonObject = when (rule) {
    is AuthRule.Open -> obj { put("none", true) }
    is AuthRule.SharedSecret -> obj { put("sharedSecret", rule.secret) }
    is AuthRule.Token -> obj {
        put(
            "token",
            obj {
                put("root", rule.root)
                put("facts", JsonObject(rule.facts.mapValues { attributeOf(it.value) }))
            },
        )
    }
    is AuthRule.Function, is AuthRule.Verdicts -> obj { put("host", true) }
}
