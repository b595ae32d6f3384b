package dev.hubless;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.hubless.async.AsyncCall;
import dev.hubless.async.AsyncNode;
import dev.hubless.async.LimitsBuilder;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Switches as Java sees them: named in each request. */
class JavaBudgetTest {
    interface Thinker {
        CompletableFuture<Long> think(String question);
    }

    public static class Desk {
        @Skill
        public long ponder(String question, CallContext context) throws Exception {
            var call = AsyncCall.of(context);
            try (var spend = call.spend(0, 20).get(20, TimeUnit.SECONDS)) {
                spend.used(0, 8);
            }
            return call.call("think").input(question).request(Long.class).get(20, TimeUnit.SECONDS);
        }
    }

    private AsyncNode node;

    @BeforeEach
    void start() throws Exception {
        node = AsyncNode.start(options -> options.setHome(SupportKt.getTestHome()))
                .get(20, TimeUnit.SECONDS);
        node.agent("think")
                .handleBlocking(String.class, Long.class, (question, call) -> {
                    try (var spend = call.spend(0, 10).get(20, TimeUnit.SECONDS)) {
                        spend.used(0, 6);
                    }
                    return call.getGranted() == null ? -1 : call.getGranted().getOutputTokens();
                })
                .get(20, TimeUnit.SECONDS);
    }

    @AfterEach
    void close() {
        node.close();
    }

    private static KillSwitch newSwitch() {
        var minute = Duration.ofMinutes(1);
        return new KillSwitch(
                new LimitsBuilder().outputTokens(400).calls(9).wallTime(minute).build());
    }

    private static HublessException failure(CompletableFuture<?> asked) {
        var thrown = assertThrows(ExecutionException.class, () -> asked.get(20, TimeUnit.SECONDS));
        return assertInstanceOf(HublessException.class, thrown.getCause());
    }

    @Test
    void aRequestNamesItsSwitchAndItsMost() throws Exception {
        try (var budget = newSwitch()) {
            var call = node.call("think").input("?").killSwitch(budget);
            assertEquals(100L, call.request(Long.class).get(20, TimeUnit.SECONDS));
            assertEquals(new Amounts(0, 6, 0, 1), budget.getSpent());
            var most = new Allowance(null, 40L);
            assertEquals(40L, call.max(most).request(Long.class).get(20, TimeUnit.SECONDS));
            assertEquals(new Allowance(null, 388L, null, 7L), budget.getRemaining());
            var proxy = node.proxy(
                    Thinker.class, "think", options -> options.setKillSwitch(budget));
            assertEquals(97L, proxy.think("?").get(20, TimeUnit.SECONDS));
            assertEquals(2 + 1, budget.tree().getChildren().size());
        }
        assertEquals(-1L, node.request("think", "?", Long.class).get(20, TimeUnit.SECONDS));
    }

    @Test
    void aCallHandsItsBudgetOn() throws Exception {
        node.agent("pass")
                .handle(String.class, Long.class, (question, call) -> call.spend()
                        .thenAccept(Spend::close)
                        .thenCompose(none ->
                                call.call("think").input(question).request(Long.class)))
                .get(20, TimeUnit.SECONDS);
        try (var budget = newSwitch()) {
            var call = node.call("pass").input("?").killSwitch(budget);
            assertEquals(25L, call.request(Long.class).get(20, TimeUnit.SECONDS));
            assertEquals(new Amounts(0, 6, 0, 2), budget.getSpent());
        }
    }

    @Test
    void aMarkedMethodSpendsAndHandsItsBudgetOn() throws Exception {
        node.register(new Desk()).get(20, TimeUnit.SECONDS);
        try (var budget = newSwitch()) {
            var call = node.call("desk").input(java.util.Map.of("question", "?"));
            var answer = call.killSwitch(budget).request(Long.class).get(20, TimeUnit.SECONDS);
            assertEquals(23L, answer);
            assertEquals(new Amounts(0, 14, 0, 2), budget.getSpent());
        }
    }

    @Test
    void aRequestBesideTheCallIsRefused() throws Exception {
        node.agent("stray")
                .handle(String.class, Long.class, (question, call) -> CompletableFuture
                        .supplyAsync(() -> question)
                        .thenCompose(text -> node.request("think", text, Long.class)))
                .get(20, TimeUnit.SECONDS);
        try (var budget = newSwitch()) {
            var error = failure(
                    node.call("stray").input("?").killSwitch(budget).request(Long.class));
            assertEquals(ErrorKind.CONFIGURATION, error.getKind());
            assertEquals("orphan", error.getCode());
        }
        // Without a budget it is no orphan.
        assertEquals(-1L, node.request("stray", "?", Long.class).get(20, TimeUnit.SECONDS));
    }

    @Test
    void aStopIsHeardOfAndEndsWhatRuns() throws Exception {
        var began = new CountDownLatch(1);
        node.agent("slow")
                .handleBlocking(String.class, String.class, (question, call) -> {
                    began.countDown();
                    new CountDownLatch(1).await();
                    return "never";
                })
                .get(20, TimeUnit.SECONDS);
        try (var budget = newSwitch()) {
            var stopped = new CompletableFuture<Tripped>();
            budget.onTripped(stopped::complete);
            var asked = node.call("slow").input("?").killSwitch(budget).request(String.class);
            began.await();
            budget.trip();
            assertEquals("operator", failure(asked).getCode());
            var stop = stopped.get(20, TimeUnit.SECONDS);
            assertEquals(TripReason.OPERATOR, stop.getReason());
            assertEquals(node.getNodeKey(), stop.getBy());
            assertEquals(stop, budget.getState());
        }
    }

    @Test
    void limitsThatCannotBeAreRefused() {
        var negative = new LimitsBuilder().costMicros(-1).build();
        assertEquals("costMicros", refused(negative).getField());
        var nothing = new LimitsBuilder().build();
        assertEquals("unlimited", refused(nothing).getCode());
        var early = new LimitsBuilder().wallTime(Duration.ofNanos(-1)).build();
        assertEquals("wallTimeMs", refused(early).getField());
    }

    private static HublessException refused(Limits limits) {
        return assertThrows(HublessException.class, () -> new KillSwitch(limits));
    }

    @Test
    void everyLimitHasItsStep() {
        var limits = new LimitsBuilder()
                .inputTokens(1)
                .fanOut(4)
                .depth(3)
                .lease(Duration.ofSeconds(5))
                .soft(new Allowance(1L))
                .build();
        assertEquals(4, limits.getFanOut());
        try (var budget = new KillSwitch(limits)) {
            assertEquals(new Allowance(1L), budget.getRemaining());
        }
        new KillSwitch(new LimitsBuilder().unlimited().build()).close();
    }
}
