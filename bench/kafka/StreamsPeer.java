import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.atomic.LongAdder;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;

/**
 * What Kafka Streams does with the records that `potok-bench processor` works on.
 *
 * usage: StreamsPeer BOOTSTRAP fill RECORDS KEYS
 *        StreamsPeer BOOTSTRAP stateless|count at_least_once|exactly_once_v2 STATE_DIR RECORDS
 *
 * Prints one line: records, and seconds from the first record that leaves the source node to the moment when all are
 * processed and the group's committed offsets have reached the end of the input.
 */
public class StreamsPeer {
    static final int PARTITIONS = 6;
    static final String INPUT = "bench-in";

    public static void main(String[] a) throws Exception {
        if (a[1].equals("fill")) fill(a[0], Integer.parseInt(a[2]), Integer.parseInt(a[3]));
        else run(a[0], a[1], a[2], a[3], Long.parseLong(a[4]));
        System.exit(0);
    }

    /** Values of 100 bytes, every tenth begins with 'x', keys k0 .. k(n-1) in turn. */
    static void fill(String bootstrap, int records, int keys) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            admin.createTopics(java.util.List.of(new NewTopic(INPUT, PARTITIONS, (short) 1))).all().get();
        }
        String tail = "record of a benchmark, long enough to fill one hundred bytes of value whatever number it begins with";
        Map<String, Object> p = Map.of("bootstrap.servers", bootstrap, "batch.size", 65536, "linger.ms", 20,
            "key.serializer", StringSerializer.class, "value.serializer", StringSerializer.class);
        try (KafkaProducer<String, String> out = new KafkaProducer<>(p)) {
            for (int i = 0; i < records; i++) {
                String head = (i % 10 == 0 ? "x" : "a") + i + " ";
                out.send(new ProducerRecord<>(INPUT, "k" + i % keys, head + tail.substring(0, 100 - head.length())));
            }
        }
    }

    static void run(String bootstrap, String what, String guarantee, String stateDir, long records) throws Exception {
        String app = "bench-" + what + "-" + guarantee, out = app + "-out";
        Properties p = new Properties();
        p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        p.put(StreamsConfig.APPLICATION_ID_CONFIG, app);
        p.put(StreamsConfig.STATE_DIR_CONFIG, stateDir);
        p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, guarantee);
        if (guarantee.equals("at_least_once")) p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
        p.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        p.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        p.put("auto.offset.reset", "earliest");
        LongAdder seen = new LongAdder();
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, String> in = builder.stream(INPUT, Consumed.with(Serdes.String(), Serdes.String()))
            .peek((k, v) -> seen.increment());
        if (what.equals("stateless")) in.filter((k, v) -> v.charAt(0) != 'x').mapValues(v -> v.toUpperCase()).to(out);
        else in.groupByKey().count(Materialized.as("counts")).toStream().to(out, Produced.with(Serdes.String(), Serdes.Long()));
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            admin.createTopics(java.util.List.of(new NewTopic(out, PARTITIONS, (short) 1))).all().get();
            Map<TopicPartition, OffsetSpec> ends = new HashMap<>();
            for (int i = 0; i < PARTITIONS; i++) ends.put(new TopicPartition(INPUT, i), OffsetSpec.latest());
            KafkaStreams streams = new KafkaStreams(builder.build(), p);
            streams.start();
            long deadline = System.nanoTime() + 240_000_000_000L, first = 0;
            while (seen.sum() < records && System.nanoTime() < deadline) {
                if (first == 0 && seen.sum() > 0) first = System.nanoTime();
                Thread.sleep(2);
            }
            boolean all = false;
            while (!all && System.nanoTime() < deadline) {
                var end = admin.listOffsets(ends).all().get();
                var done = admin.listConsumerGroupOffsets(app).partitionsToOffsetAndMetadata().get();
                // a transaction marker may lie behind the last record, so "reached" means no record is left
                all = end.entrySet().stream().allMatch(e -> done.get(e.getKey()) != null && done.get(e.getKey()).offset() >= e.getValue().offset());
                Thread.sleep(5);
            }
            System.out.printf("{\"records\":%d,\"seconds\":%.3f,\"committed\":%b}%n", seen.sum(), (System.nanoTime() - first) / 1e9, all);
            streams.close(java.time.Duration.ofSeconds(5));
        }
    }
}
