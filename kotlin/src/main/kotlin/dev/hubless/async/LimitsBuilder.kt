package dev.hubless.async

import dev.hubless.Allowance
import dev.hubless.Limits
import java.time.Duration
import kotlin.time.toKotlinDuration

/**
 * Builds what a tree of calls may cost; what is not said is not limited, see [Limits].
 *
 * @sample dev.hubless.samples.AsyncSamples.budget
 */
public class LimitsBuilder {
    private var limits = Limits()

    /** Bounds the tokens that models read. */
    public fun inputTokens(most: Long): LimitsBuilder =
        apply { limits = limits.copy(inputTokens = most) }

    /** Bounds the tokens that models write. */
    public fun outputTokens(most: Long): LimitsBuilder =
        apply { limits = limits.copy(outputTokens = most) }

    /** Bounds the cost, in millionths of the currency unit. */
    public fun costMicros(most: Long): LimitsBuilder =
        apply { limits = limits.copy(costMicros = most) }

    /** Bounds the calls of agents. */
    public fun calls(most: Long): LimitsBuilder = apply { limits = limits.copy(calls = most) }

    /** Bounds the time from the making of the switch to its stop. */
    public fun wallTime(time: Duration): LimitsBuilder =
        apply { limits = limits.copy(wallTime = time.toKotlinDuration()) }

    /** Bounds how deep calls may be nested. */
    public fun depth(most: Int): LimitsBuilder = apply { limits = limits.copy(depth = most) }

    /** Bounds the calls that one call may have open at once. */
    public fun fanOut(most: Int): LimitsBuilder = apply { limits = limits.copy(fanOut = most) }

    /** Says how long a node that hears nothing goes on. */
    public fun lease(time: Duration): LimitsBuilder =
        apply { limits = limits.copy(lease = time.toKotlinDuration()) }

    /** Stops the switch once more than this is known to be spent. */
    public fun soft(most: Allowance): LimitsBuilder = apply { limits = limits.copy(soft = most) }

    /** Says that nothing is to be limited. */
    public fun unlimited(): LimitsBuilder = apply { limits = limits.copy(unlimited = true) }

    /** Says that each node goes on only as long as the first one itself says so. */
    public fun strict(): LimitsBuilder = apply { limits = limits.copy(strict = true) }

    /** The limits said so far. */
    public fun build(): Limits = limits
}
