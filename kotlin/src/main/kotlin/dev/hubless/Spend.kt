package dev.hubless

import dev.hubless.internal.ask
import dev.hubless.internal.obj
import kotlinx.serialization.json.put

/**
 * What a handler has set aside for one spending, such as one request of a model.
 *
 * Closed without [used], or left open until its call ends, it is charged in full.
 *
 * @sample dev.hubless.samples.BudgetSamples.spend
 */
public class Spend internal constructor(private val handle: Long) : AutoCloseable {
    @Volatile
    private var over = false

    /**
     * Says what was spent; the rest of what was set aside is free again. It counts in the usage of
     * the answer by itself. More than was set aside is charged as it is, and stops the budget.
     *
     * @param input tokens that a model read
     * @param output tokens that it wrote
     * @param cost in millionths of the currency unit
     * @throws HublessException kind `invalid_argument` for a number that cannot be, which loses
     *   nothing; field `spend` if it was said before, or the spending is closed
     */
    @JvmOverloads
    public fun used(input: Long = 0, output: Long = 0, cost: Long = 0) {
        val body = obj {
            put("spend", handle)
            put("inputTokens", input)
            put("outputTokens", output)
            put("costMicros", cost)
        }
        ask("spend.used", body)
        over = true
    }

    /** Ends it; charged in full unless [used] was said. Idempotent. */
    override fun close() {
        if (over) return
        over = true
        try {
            ask("spend.drop", obj { put("spend", handle) })
        } catch (gone: HublessException) {
            // Its call has ended meanwhile, which charged it.
            if (gone.kind != ErrorKind.INVALID_ARGUMENT) throw gone
        }
    }
}
