// Prints what is committed in a topic when it starts, as `key TAB value`, each partition in order: BOOTSTRAP TOPIC
// With a third argument the partition's number comes first.
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

class Drain {
    public static void main(String[] a) {
        Map<String, Object> settings = Map.of("bootstrap.servers", a[0], "isolation.level", "read_committed", "enable.auto.commit", false);
        var out = new StringBuilder();
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            var all = consumer.partitionsFor(a[1]).stream().map(p -> new TopicPartition(a[1], p.partition())).toList();
            consumer.assign(all);
            consumer.seekToBeginning(all);
            var ends = consumer.endOffsets(all); // the last stable offsets
            while (all.stream().anyMatch(p -> consumer.position(p) < ends.get(p)))
                for (var r : consumer.poll(Duration.ofMillis(200))) out.append(a.length > 2 ? r.partition() + "\t" : "").append(r.key()).append('\t').append(r.value()).append('\n');
        }
        System.out.print(out);
    }
}
