// A Kafka Streams application: words are counted, and orders are joined to payments within ten seconds.
// It goes on until it is ended: a signal stops it in order, a kill does not.
import java.time.Duration;
import java.util.*;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;

class Wordcount {
    static Topology topology(String prefix) {
        var builder = new StreamsBuilder();
        builder.<String, String>stream(prefix + "lines")
            .flatMapValues(line -> Arrays.asList(line.split(" ")))
            .groupBy((key, word) -> word) // through a repartition topic
            .count(Materialized.as("counts"))
            .toStream().mapValues(String::valueOf).to(prefix + "counts");
        builder.<String, String>stream(prefix + "orders")
            .join(builder.<String, String>stream(prefix + "payments"), (order, payment) -> order + "+" + payment,
                JoinWindows.ofTimeDifferenceAndGrace(Duration.ofSeconds(10), Duration.ofHours(1)))
            .to(prefix + "paid");
        return builder.build();
    }

    // BOOTSTRAP PREFIX GUARANTEE STATE_DIR
    public static void main(String[] a) {
        var settings = new Properties();
        settings.putAll(Map.of("bootstrap.servers", a[0], "application.id", a[1] + "app", "processing.guarantee", a[2], "state.dir", a[3],
            "num.stream.threads", 2, "commit.interval.ms", 100, "statestore.cache.max.bytes", 0, "auto.offset.reset", "earliest",
            "default.key.serde", Serdes.StringSerde.class, "default.value.serde", Serdes.StringSerde.class));
        settings.put("session.timeout.ms", 6000); // a killed instance is missed soon
        var streams = new KafkaStreams(topology(a[1]), settings);
        streams.setStateListener((now, before) -> System.out.println("state " + now));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(30))));
        streams.start();
    }
}
