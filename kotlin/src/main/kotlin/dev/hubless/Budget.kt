package dev.hubless

import kotlin.time.Duration

/**
 * How much of each thing that is counted was spent.
 *
 * @property inputTokens tokens that models read
 * @property outputTokens tokens that models wrote
 * @property costMicros cost in millionths of the currency unit
 * @property calls calls of agents, which the node counts by itself
 * @sample dev.hubless.samples.BudgetSamples.budget
 */
public data class Amounts @JvmOverloads constructor(
    public val inputTokens: Long = 0,
    public val outputTokens: Long = 0,
    public val costMicros: Long = 0,
    public val calls: Long = 0,
)

/**
 * A most for each thing that is counted: from 0, which allows nothing, to 2^53 - 1; null does not
 * limit it.
 *
 * @property inputTokens most tokens that models may read
 * @property outputTokens most tokens that models may write
 * @property costMicros most cost in millionths of the currency unit
 * @property calls most calls of agents
 * @sample dev.hubless.samples.BudgetSamples.granted
 */
public data class Allowance @JvmOverloads constructor(
    public val inputTokens: Long? = null,
    public val outputTokens: Long? = null,
    public val costMicros: Long? = null,
    public val calls: Long? = null,
)

/**
 * What a whole tree of calls may cost; null does not limit it, 0 refuses everything. Numbers go
 * from 0 to 2^53 - 1; times are rounded up to whole milliseconds. The core reads them when they are
 * used, and refuses what cannot be with kind `invalid_argument` and the field at fault.
 *
 * @property inputTokens most tokens that models may read
 * @property outputTokens most tokens that models may write
 * @property costMicros most cost in millionths of the currency unit
 * @property calls most calls of agents
 * @property wallTime time from the making of the switch to its stop
 * @property depth how deep calls may be nested, at most 16; those of the switch itself have depth 1
 * @property fanOut calls that one call may have open at once, at most 4,096
 * @property lease how long a node that hears nothing goes on; default 10 s, at most 5 min
 * @property soft stops the switch once more than this is known to be spent
 * @property unlimited must be true for a switch that limits nothing
 * @property strict whether each node goes on only as long as the first one itself says so, and not
 *   those between: a dishonest one keeps nothing below it going for longer than [lease]. Each call
 *   then waits for the way to the first node and back before it spends (SPEC 04, R7)
 * @sample dev.hubless.samples.BudgetSamples.block
 */
public data class Limits(
    public val inputTokens: Long? = null,
    public val outputTokens: Long? = null,
    public val costMicros: Long? = null,
    public val calls: Long? = null,
    public val wallTime: Duration? = null,
    public val depth: Int? = null,
    public val fanOut: Int? = null,
    public val lease: Duration? = null,
    public val soft: Allowance? = null,
    public val unlimited: Boolean = false,
    public val strict: Boolean = false,
)

/**
 * What becomes of a request that belongs to no call and has no switch, while its node handles a
 * call with a budget: most likely a request that has lost its coroutine context.
 *
 * @sample dev.hubless.samples.BudgetSamples.orphans
 */
public sealed interface Orphans {
    /** It fails with kind `configuration`, code `orphan`; the default. */
    public data object Refuse : Orphans

    /** It runs without a budget. */
    public data object Allow : Orphans

    /**
     * It runs under a budget of its own.
     *
     * @property limits what each such request may cost
     */
    public data class OwnBudget(public val limits: Limits) : Orphans
}

/**
 * How far a part of a budget has come.
 *
 * @property wire its name in the other languages
 * @sample dev.hubless.samples.BudgetSamples.tree
 */
public enum class BranchState(public val wire: String) {
    /** Its call runs. */
    OPEN("open"),

    /** It was called back; its holder has not said its last word yet. */
    RECALLED("recalled"),

    /** Its holder has said what was used; the rest is free again. */
    SETTLED("settled"),

    /** Its holder is not expected to come back: all of it stays charged. */
    WRITTEN_OFF("written_off"),
}

/**
 * A budget, or the part of it that one call was granted, as the node of the switch knows it.
 *
 * @property agentId the agent that is called; null: the budget itself
 * @property nodeKey the node that holds it
 * @property state how far it has come
 * @property amount how much it is
 * @property charged what it costs the one it was cut from
 * @property used what is known to be used of it
 * @property children the parts that were cut from it, except those settled long ago
 * @sample dev.hubless.samples.BudgetSamples.tree
 */
public data class Branch(
    public val agentId: String?,
    public val nodeKey: String,
    public val state: BranchState,
    public val amount: Allowance,
    public val charged: Amounts,
    public val used: Amounts,
    public val children: List<Branch>,
)
