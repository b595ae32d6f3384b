package dev.hubless

import dev.hubless.internal.Handles
import dev.hubless.internal.TripListeners
import dev.hubless.internal.allowanceOf
import dev.hubless.internal.amountsOf
import dev.hubless.internal.ask
import dev.hubless.internal.branchOf
import dev.hubless.internal.child
import dev.hubless.internal.emptyObject
import dev.hubless.internal.json
import dev.hubless.internal.long
import dev.hubless.internal.obj
import dev.hubless.internal.some
import dev.hubless.internal.trippedOf
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.withContext
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.put
import java.lang.ref.Reference
import java.time.Instant
import java.util.function.Consumer
import kotlin.coroutines.AbstractCoroutineContextElement
import kotlin.coroutines.CoroutineContext
import kotlin.time.Duration

/**
 * Why a switch was stopped.
 *
 * @property wire its name in errors of kind `killed`, where it is the code, and in other languages
 * @sample dev.hubless.samples.BudgetSamples.trip
 */
public enum class TripReason(public val wire: String) {
    /** More input tokens than allowed were spent. */
    INPUT_EXCEEDED("input_exceeded"),

    /** More output tokens than allowed were spent. */
    OUTPUT_EXCEEDED("output_exceeded"),

    /** More tokens than allowed were spent both ways. */
    INPUT_AND_OUTPUT_EXCEEDED("input_and_output_exceeded"),

    /** More cost than allowed was spent. */
    COST_EXCEEDED("cost_exceeded"),

    /** More calls than allowed were made. */
    CALLS_EXCEEDED("calls_exceeded"),

    /** Its time was up. */
    WALL_TIME("wall_time"),

    /** Calls were nested too deeply. */
    DEPTH("depth"),

    /** One call had too many others open. */
    FAN_OUT("fan_out"),

    /** Somebody asked for it. */
    OPERATOR("operator"),

    /** What it is a part of was stopped. */
    PARENT("parent"),

    /** Nothing was heard of its root for the time of a lease. */
    LEASE_LOST("lease_lost"),
}

/**
 * Whether a switch still lets calls through.
 *
 * @sample dev.hubless.samples.BudgetSamples.trip
 */
public sealed interface SwitchState {
    /** It does. */
    public data object Armed : SwitchState
}

/**
 * The stop of a switch, which is for good.
 *
 * @property reason why
 * @property by key of the node that asked for it; null: it was stopped before a node used it
 * @property at when
 * @sample dev.hubless.samples.BudgetSamples.trip
 */
public data class Tripped(
    public val reason: TripReason,
    public val by: String?,
    public val at: Instant,
) : SwitchState

/**
 * A budget for a whole tree of calls, in this process and on any machine, and the stop of it.
 *
 * It is an element of a coroutine context: every request made below `withContext(switch)` is under
 * it, unless it names another by [RequestOptions.killSwitch] or belongs to a call that has a budget
 * already. A handler never sees the switch of whoever registered it. What is sent by other means
 * than coroutines, as in Java, names its switch.
 *
 * Needs no node: its wall time begins when it is made, and its budget is kept by the first node
 * that uses it. Everything here answers at once and may be called on any thread. Closing the
 * switch, or losing every reference to it, lets it go: its budget is over with the last request
 * under it, and nothing else here can be asked any more.
 *
 * @throws HublessException kind `invalid_argument` for limits that cannot be, with the field; code
 *   `unlimited` if nothing is limited
 * @sample dev.hubless.samples.BudgetSamples.budget
 */
public class KillSwitch(limits: Limits) :
    AbstractCoroutineContextElement(KillSwitch),
    AutoCloseable {
    internal val handle: Long = ask("switch.new", limits.json()).long("switch") ?: 0
    private val letGo = Handles.letGo(this, "switch", handle)
    private val listeners = TripListeners()

    /** Makes a switch of the limits named; see [Limits] for what they mean. */
    public constructor(
        inputTokens: Long? = null,
        outputTokens: Long? = null,
        costMicros: Long? = null,
        calls: Long? = null,
        wallTime: Duration? = null,
        depth: Int? = null,
        fanOut: Int? = null,
        lease: Duration? = null,
        soft: Allowance? = null,
        unlimited: Boolean = false,
        strict: Boolean = false,
    ) : this(
        Limits(
            inputTokens = inputTokens,
            outputTokens = outputTokens,
            costMicros = costMicros,
            calls = calls,
            wallTime = wallTime,
            depth = depth,
            fanOut = fanOut,
            lease = lease,
            soft = soft,
            unlimited = unlimited,
            strict = strict,
        ),
    )

    /** Whether it is armed, or why, by whom and when it was stopped. */
    public val state: SwitchState
        get() = told("switch.state").child("stop")?.let(::trippedOf) ?: SwitchState.Armed

    /** What was spent so far, as far as it was settled; calls count when they are made. */
    public val spent: Amounts
        get() = amountsOf(told("switch.state").child("spent") ?: emptyObject)

    /** What is neither spent nor set aside. */
    public val remaining: Allowance
        get() = allowanceOf(told("switch.state").child("remaining") ?: emptyObject)

    /**
     * The part of [spent] that providers took above what was set aside for it: zero unless a
     * provider broke its cap, which trips the switch.
     */
    public val overrun: Amounts
        get() = amountsOf(told("switch.state").child("overrun") ?: emptyObject)

    /** Its budget with every part that was granted; null before the first request under it. */
    public fun tree(): Branch? = told("switch.tree").child("tree")?.let(::branchOf)

    /**
     * Stops everything below it, for good: running handlers are cancelled, waiting and new requests
     * fail with kind `killed` and the reason as code. The first stop stands.
     */
    @JvmOverloads
    public fun trip(reason: TripReason = TripReason.OPERATOR) {
        told("switch.trip", reason.wire)
    }

    /**
     * Has [listener] called once when the switch is stopped, at once if it is already.
     *
     * Each listener runs on a daemon thread of its own: whatever it does, the stop stands and
     * nothing waits for it. It is kept by the switch, and forgotten when that is let go of armed.
     */
    public fun onTripped(listener: Consumer<Tripped>) {
        val stopped = state as? Tripped
        listeners.add(listener)
        if (stopped != null) listeners.stopped(stopped) else listeners.watch(handle)
        Reference.reachabilityFence(this)
    }

    /** Lets it go, see above; idempotent. */
    override fun close() {
        try {
            // Who waits for the stop of a switch that is gone would not hear of this one.
            (state as? Tripped)?.let(listeners::stopped)
        } catch (gone: HublessException) {
            if (gone.kind != ErrorKind.INVALID_ARGUMENT) throw gone
        } finally {
            letGo.clean()
        }
    }

    private fun told(op: String, reason: String? = null): JsonObject = try {
        val body = obj {
            put("switch", handle)
            some("reason", reason)
        }
        ask(op, body)
    } finally {
        // Without it the switch could be let go of while the core is asked.
        Reference.reachabilityFence(this)
    }

    override fun toString(): String = "KillSwitch($handle)"

    /** Key of the switch in a coroutine context. */
    public companion object Key : CoroutineContext.Key<KillSwitch>
}

/**
 * Runs [block] under a new switch with these [limits], which is closed at the end.
 *
 * @sample dev.hubless.samples.BudgetSamples.block
 */
public suspend fun <T> withKillSwitch(
    limits: Limits,
    block: suspend CoroutineScope.(KillSwitch) -> T,
): T = KillSwitch(limits).use { switch -> withContext(switch) { block(switch) } }
