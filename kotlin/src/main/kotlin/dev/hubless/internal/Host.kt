package dev.hubless.internal

import dev.hubless.AuthAttempt
import dev.hubless.CallContext
import dev.hubless.Credential
import dev.hubless.Node
import dev.hubless.Question
import dev.hubless.RequestOptions
import dev.hubless.Verdict
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Job
import kotlinx.coroutines.launch
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.put
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicBoolean
import java.util.concurrent.atomic.AtomicLong
import kotlin.coroutines.CoroutineContext

/** What a node keeps for one registered agent. */
internal class HostedAgent(
    val serving: Serving,
    val auth: (suspend (AuthAttempt) -> Verdict)?,
    val counter: (suspend (List<String>) -> Long)?,
)

/** What a caller keeps open while its request runs: the functions that may be called back. */
internal class Offers(private val options: RequestOptions, val context: CoroutineContext) {
    /** Whether there is anything to be called back. */
    val any: Boolean get() = options.tools.isNotEmpty() || options.onInput != null

    fun tool(name: String) = options.tools.firstOrNull { it.name == name }

    suspend fun answer(question: Question): Any? = options.onInput?.invoke(question)
}

/**
 * Runs the user's code that the core asks for: handlers, tools, answers, auth, counters, secrets.
 *
 * [onEvent] is called on the pull thread; everything else runs in coroutines of [scope].
 */
internal class Host(private val node: Node, private val scope: CoroutineScope) {
    private val session get() = node.session
    private val running = ConcurrentHashMap<Long, Running>()
    private val context by lazy { offThePullThread(scope.coroutineContext) }

    val agents = ConcurrentHashMap<Long, HostedAgent>()
    val offers = ConcurrentHashMap<Long, Offers>()
    val secrets = ConcurrentHashMap<String, suspend (String) -> Credential?>()

    @Volatile
    var globalAuth: (suspend (AuthAttempt) -> Verdict)? = null

    private class Running(val job: Job, val cancelled: AtomicBoolean)

    /**
     * Runs a registration, whose agent is known before its first call can come; forgets the agent
     * again when nobody takes the result.
     */
    suspend fun <T> keeping(agent: HostedAgent, register: suspend (Hooks) -> T): T {
        val known = AtomicLong()
        val lost = AtomicBoolean()
        val forget: () -> Unit = { if (lost.get()) agents.remove(known.get()) }
        val onDone = { event: Event ->
            val handle = event.body.long("agent") ?: 0
            agents[handle] = agent
            known.set(handle)
            // The one of the two that comes second sees what the first one wrote.
            forget()
        }
        try {
            return register(Hooks(onDone = onDone))
        } catch (stopped: CancellationException) {
            lost.set(true)
            forget()
            throw stopped
        }
    }

    fun onEvent(event: Event) {
        when (event.kind) {
            Event.CALL -> call(event)
            Event.CANCEL -> cancel(event)
            Event.TOOL -> tool(event)
            Event.INPUT -> input(event)
            Event.AUTH -> auth(event)
            Event.COUNT -> count(event)
            Event.CREDENTIAL -> credential(event)
            Event.LOG -> Log.say { Log.write(event.body) }
            else -> Log.say {
                Log.events.debug("event of unknown kind {} was passed over", event.kind)
            }
        }
    }

    /** Cancels what still runs; the core no longer waits for any of it. */
    fun stop() {
        running.values.forEach { it.job.cancel(CancellationException("the node was closed")) }
    }

    private fun call(event: Event) {
        val arrived = now()
        val unstarted = { fail(event.ticket, closedError("call"), AtomicBoolean()) }
        launch(event.ticket, context, unstarted) { cancelled ->
            try {
                serve(session.inboundCallOf(event, arrived, cancelled))
            } catch (failure: Throwable) {
                fail(event.ticket, failure, cancelled)
            }
        }
    }

    private suspend fun serve(call: InboundCall) {
        val agent = agents[call.agent] ?: throw closedError("call")
        agent.serving.serve(CallContext(node, call), call)
    }

    private fun fail(call: Long, failure: Throwable, cancelled: AtomicBoolean) {
        if (cancelled.get()) return
        Log.say { Log.handlers.debug("a handler failed", failure) }
        val body = if (failure is CancellationException) {
            obj {
                put("call", call)
                put("kind", "cancelled")
                put("message", failure.message ?: "the handler was cancelled")
            }
        } else {
            failureBody(call, failure)
        }
        session.post("call.fail", body)
    }

    private fun cancel(event: Event) {
        val entry = running[event.ticket] ?: return
        entry.cancelled.set(true)
        val message = event.body.text("message") ?: "cancelled by the caller"
        // Whoever waits with a callback of its own is told by the thread that cancels.
        elsewhere { entry.job.cancel(CancellationException(message)) }
    }

    private fun tool(event: Event) {
        val body = event.body
        val offers = offers[body.long("request") ?: 0]
        val tool = offers?.tool(body.text("name").orEmpty())
        if (tool == null) {
            session.post("tool.fail", failed(event.ticket, "no such tool"))
            return
        }
        val arguments = body["arguments"] ?: emptyObject
        answer(event.ticket, "tool", offers.context) { tool.function(arguments) }
    }

    private fun input(event: Event) {
        val body = event.body
        val offers = offers[body.long("request") ?: 0]
        if (offers == null) {
            session.post("input.fail", failed(event.ticket, "the request is over"))
            return
        }
        answer(event.ticket, "input", offers.context) {
            val prompt = session.contentOf(body.child("prompt") ?: emptyObject, event.attachments)
            offers.answer(Question(prompt, body.child("schema")))
        }
    }

    /** Runs a function of the caller's in the caller's own context. */
    private fun answer(
        id: Long,
        operation: String,
        context: CoroutineContext,
        function: suspend () -> Any?,
    ) = launch(
        id,
        offThePullThread(context),
        { session.post("$operation.fail", failed(id, "the caller has gone")) },
    ) { cancelled ->
        try {
            val out = Outgoing(session)
            val content = out.content(contentOfValue(function()))
            val body = obj {
                put("id", id)
                put("content", content)
            }
            out.whileWriting(toTheEnd = true) {
                session.call("$operation.final", body, out.attachments)
            }
        } catch (failure: Throwable) {
            if (!cancelled.get()) session.post("$operation.fail", refusalBody(id, failure))
        }
    }

    private fun auth(event: Event) = ask(event, "auth.verdict") {
        val body = event.body
        val caller = callerOf(body.child("caller") ?: emptyObject)
        // Whose function decides, the core has decided: none stands in for another one.
        val agent = body.long("agent")
        val check = if (agent == null) globalAuth else agents[agent]?.auth
        val secret = body.text("credential").orEmpty()
        val attempt = AuthAttempt(body.text("scheme").orEmpty(), secret, caller)
        val verdict = checkNotNull(check) { "there is no auth function" }(attempt)
        obj {
            put("id", event.ticket)
            put("allow", verdict.allow)
            if (verdict.keep.isPositive()) put("cacheMs", wholeMs(verdict.keep))
        }
    }

    private fun count(event: Event) = ask(event, "count.result") {
        val counter = agents[event.body.long("agent") ?: 0]?.counter
        val texts = event.body.texts("texts")
        val tokens = checkNotNull(counter) { "there is no token counter" }(texts)
        obj {
            put("id", event.ticket)
            put("tokens", tokens)
        }
    }

    private fun credential(event: Event) = ask(event, "credential.result") {
        val provider = secrets[event.body.text("key").orEmpty()]
        val found = provider?.invoke(event.body.text("target").orEmpty())
        obj {
            put("id", event.ticket)
            some("scheme", found?.scheme)
            some("secret", found?.secret)
            if (found == null) put("none", true)
        }
    }

    /** Answers by a function of the user's; what follows where that fails is the core's. */
    private fun ask(event: Event, operation: String, function: suspend () -> JsonObject) {
        val failed = obj {
            put("id", event.ticket)
            put("failed", true)
        }
        launch(event.ticket, context, { session.post(operation, failed) }) { cancelled ->
            val answer = try {
                function()
            } catch (failure: Throwable) {
                if (!cancelled.get()) {
                    Log.handlers.warn("the function behind {} failed", operation, failure)
                }
                failed
            }
            if (!cancelled.get()) session.post(operation, answer)
        }
    }

    /** Starts work of the core; [unstarted] answers for it where the node's scope has ended. */
    private fun launch(
        id: Long,
        context: CoroutineContext,
        unstarted: () -> Unit,
        block: suspend (cancelled: AtomicBoolean) -> Unit,
    ) {
        val cancelled = AtomicBoolean()
        val entered = AtomicBoolean()
        // Without the caller's job: a tool that fails must not fail the caller's scope.
        val job = scope.launch(context.minusKey(Job), CoroutineStart.LAZY) {
            leaveThePullThread()
            entered.set(true)
            block(cancelled)
        }
        running[id] = Running(job, cancelled)
        job.invokeOnCompletion {
            running.remove(id)
            if (!entered.get() && !cancelled.get()) unstarted()
        }
        job.start()
    }

    private fun failed(id: Long, message: String): JsonObject = obj {
        put("id", id)
        put("message", message)
    }
}
