package dev.hubless.internal

import dev.hubless.Allowance
import dev.hubless.Amounts
import dev.hubless.Branch
import dev.hubless.BranchState
import dev.hubless.Limits
import dev.hubless.Orphans
import dev.hubless.TripReason
import dev.hubless.Tripped
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.put
import java.time.Instant
import kotlin.time.Duration

/** Writes the Terms of the contract. */
internal fun Limits.json(): JsonObject = obj {
    some("inputTokens", inputTokens)
    some("outputTokens", outputTokens)
    some("costMicros", costMicros)
    some("calls", calls)
    some("wallTimeMs", wallTime?.let(::wholeMs))
    some("depth", depth)
    some("fanOut", fanOut)
    some("leaseMs", lease?.let(::wholeMs))
    some("soft", soft?.json())
    if (unlimited) put("unlimited", true)
    if (strict) put("strict", true)
}

/** Writes the Amounts of the contract; what is not limited is left out. */
internal fun Allowance.json(): JsonObject = obj {
    some("inputTokens", inputTokens)
    some("outputTokens", outputTokens)
    some("costMicros", costMicros)
    some("calls", calls)
}

/** Writes the option of a node. */
internal fun Orphans.json(): JsonElement = when (this) {
    Orphans.Refuse -> JsonPrimitive("refuse")
    Orphans.Allow -> JsonPrimitive("allow")
    is Orphans.OwnBudget -> obj { put("ownBudget", limits.json()) }
}

/** Reads Amounts that are spent. */
internal fun amountsOf(json: JsonObject): Amounts = Amounts(
    inputTokens = json.long("inputTokens") ?: 0,
    outputTokens = json.long("outputTokens") ?: 0,
    costMicros = json.long("costMicros") ?: 0,
    calls = json.long("calls") ?: 0,
)

/** Reads Amounts that are allowed. */
internal fun allowanceOf(json: JsonObject): Allowance = Allowance(
    inputTokens = json.long("inputTokens"),
    outputTokens = json.long("outputTokens"),
    costMicros = json.long("costMicros"),
    calls = json.long("calls"),
)

/** Reads the Stop of the contract. */
internal fun trippedOf(json: JsonObject): Tripped {
    val reason = json.text("reason")
    return Tripped(
        reason = TripReason.entries.first { it.wire == reason },
        by = json.text("by"),
        at = Instant.ofEpochMilli(json.long("atMs") ?: 0),
    )
}

/** Reads the Branch of the contract. */
internal fun branchOf(json: JsonObject): Branch {
    val state = json.text("state")
    return Branch(
        agentId = json.text("agentId"),
        nodeKey = json.text("nodeKey").orEmpty(),
        state = BranchState.entries.first { it.wire == state },
        amount = allowanceOf(json.child("amount") ?: emptyObject),
        charged = amountsOf(json.child("charged") ?: emptyObject),
        used = amountsOf(json.child("used") ?: emptyObject),
        children = json.objects("children").map(::branchOf),
    )
}
