package dev.hubless;

import java.math.BigDecimal;
import java.time.LocalDate;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Plain Java types that tests send. */
public final class JavaRecords {
    private JavaRecords() {}

    /** An enum without annotations. */
    public enum Side { BUY, SELL }

    /** A record inside another. */
    public record Leg(int rate) {}

    /** A record with every kind of component. */
    public record Trade(
            String pair,
            BigDecimal amount,
            Side side,
            LocalDate day,
            List<Leg> legs,
            Map<String, String> notes,
            Optional<String> broker) {}

    /** One of them. */
    public static Trade sample() {
        return new Trade(
                "EURUSD",
                new BigDecimal("12.5"),
                Side.BUY,
                LocalDate.of(2024, 2, 29),
                List.of(new Leg(1)),
                Map.of("a", "b"),
                Optional.empty());
    }
}
