package dev.hubless.internal

import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.withContext
import kotlin.coroutines.ContinuationInterceptor
import kotlin.coroutines.CoroutineContext
import kotlin.coroutines.EmptyCoroutineContext
import kotlin.coroutines.intrinsics.COROUTINE_SUSPENDED
import kotlin.coroutines.intrinsics.intercepted
import kotlin.coroutines.intrinsics.suspendCoroutineUninterceptedOrReturn
import kotlin.coroutines.resume

/** A thread that pulls the events of one session; a daemon, so that it keeps no JVM alive. */
internal class PullThread(pull: Runnable) : Thread(pull, "hubless-events") {
    init {
        isDaemon = true
    }
}

/** Whether a coroutine of this context would run on the thread that resumes it. */
private fun resumesInPlace(context: CoroutineContext): Boolean {
    val dispatcher = context[ContinuationInterceptor] as? CoroutineDispatcher ?: return true
    return !dispatcher.isDispatchNeeded(context)
}

/** The context with a dispatcher that never runs anything on the resuming thread. */
internal fun offThePullThread(context: CoroutineContext): CoroutineContext =
    if (resumesInPlace(context)) context + Dispatchers.Default else context

/** Runs what the pull thread resumes, so that the caller goes on elsewhere. */
internal suspend fun <T> offThePullThread(block: suspend () -> T): T =
    if (resumesInPlace(currentCoroutineContext())) {
        withContext(Dispatchers.Default) { block() }
    } else {
        block().also { leaveThePullThread() }
    }

/**
 * Goes on elsewhere when this is a pull thread, unless it was cancelled meanwhile: an executor may
 * run what it is given on the thread that gives it, always or when it is full, and no dispatcher
 * says so beforehand.
 */
internal suspend fun leaveThePullThread() {
    if (Thread.currentThread() !is PullThread) return
    // Suspends in any case, also when the other thread is quicker.
    suspendCoroutineUninterceptedOrReturn<Unit> { continuation ->
        elsewhere { continuation.intercepted().resume(Unit) }
        COROUTINE_SUSPENDED
    }
    currentCoroutineContext().ensureActive()
}

/** Runs what may call the user's code, and is begun on a pull thread. */
internal fun elsewhere(work: Runnable): Unit =
    Dispatchers.Default.dispatch(EmptyCoroutineContext, work)
