// Round trip with Kafka's own Java client. Usage: see main().
// GROUP_PROTOCOL=consumer runs the group step over the newer group protocol.
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.stream.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.*;

class Roundtrip {
    record Row(String tag, byte[] key, byte[] value, List<RecordHeader> headers, long time) {
        public String toString() {
            var named = headers.stream().map(h -> h.key() + "=" + tohex(h.value())).collect(Collectors.joining(","));
            return tohex(key) + " " + tohex(value) + " " + (named.isEmpty() ? "-" : named) + " " + time;
        }
    }

    static final String BROKER = System.getenv().getOrDefault("BROKER", "127.0.0.1:9092");
    static final boolean NEWER = "consumer".equals(System.getenv("GROUP_PROTOCOL"));
    static int faults = 0;

    static String tohex(byte[] b) { return b == null ? "-" : b.length == 0 ? "." : HexFormat.of().formatHex(b); }

    static byte[] unhex(String s) { return s.equals("-") ? null : s.equals(".") ? new byte[0] : HexFormat.of().parseHex(s); }

    static List<String> tags(String name) { return List.of(System.getenv().getOrDefault(name, "").split(",")); }

    static List<Row> rows(long time) throws Exception {
        var lines = Files.readAllLines(Path.of(System.getenv("RECORDS")));
        var out = new ArrayList<Row>();
        for (int n = 0; n < 20; n++)
            for (var line : lines) {
                var f = line.split(" ");
                if (f[0].equals("#") || tags("SKIP").contains(f[0])) continue;
                var headers = f[3].equals("-") ? List.<RecordHeader>of()
                    : Stream.of(f[3].split(",")).map(h -> h.split("=")).map(h -> new RecordHeader(h[0], unhex(h[1]))).toList();
                out.add(new Row(f[0], unhex(f[1]), unhex(f[2]), headers, time + out.size()));
            }
        return out;
    }

    static void check(String what, Object wanted, Object seen) {
        if (wanted.equals(seen)) return;
        faults++;
        System.out.println(what + ": wanted " + wanted + ", got " + seen);
    }

    // Records of the tags named in IGNORE must be there, whatever they hold.
    static void compare(String what, List<Row> seen, long... times) throws Exception {
        var wanted = new ArrayList<Row>();
        for (long time : times) wanted.addAll(rows(time));
        check(what + ": records", wanted.size(), seen.size());
        for (int i = 0; i < Math.min(wanted.size(), seen.size()); i++)
            if (!tags("IGNORE").contains(wanted.get(i).tag)) check(what + ": " + wanted.get(i).tag, wanted.get(i).toString(), seen.get(i).toString());
    }

    static KafkaProducer<byte[], byte[]> producer(Map<String, Object> more) {
        var settings = new HashMap<String, Object>(Map.of("bootstrap.servers", BROKER, "linger.ms", 20));
        settings.putAll(more);
        return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static KafkaConsumer<byte[], byte[]> consumer(String group, String isolation) {
        var settings = new HashMap<String, Object>(Map.of("bootstrap.servers", BROKER, "group.id", group, "isolation.level", isolation,
            "auto.offset.reset", "earliest", "enable.auto.commit", false));
        settings.putAll(NEWER ? Map.of("group.protocol", "consumer") : Map.of("heartbeat.interval.ms", 500));
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static void write(String topic, String codec, List<Row> rows) throws Exception {
        try (var p = producer(Map.of("compression.type", codec))) {
            var sent = new ArrayList<java.util.concurrent.Future<RecordMetadata>>();
            for (var r : rows) sent.add(p.send(new ProducerRecord<>(topic, 0, r.time, r.key, r.value, new ArrayList<>(r.headers))));
            for (var one : sent) one.get();
        }
    }

    // Reads partition 0 until `count` records came, and then for one second what is there too much.
    static List<ConsumerRecord<byte[], byte[]>> fetch(String topic, int count, String isolation) {
        var out = new ArrayList<ConsumerRecord<byte[], byte[]>>();
        var part = List.of(new TopicPartition(topic, 0));
        try (var c = consumer(topic + "-none", isolation)) {
            c.assign(part);
            c.seekToBeginning(part);
            for (long end = System.currentTimeMillis() + 20000; out.size() < count && System.currentTimeMillis() < end;) c.poll(Duration.ofMillis(200)).forEach(out::add);
            for (long end = System.currentTimeMillis() + 1000; System.currentTimeMillis() < end;) c.poll(Duration.ofMillis(200)).forEach(out::add);
        }
        return out;
    }

    static List<Row> read(String topic, int count) {
        return fetch(topic, count, "read_uncommitted").stream().map(r -> new Row("", r.key(), r.value(),
            Stream.of(r.headers().toArray()).map(h -> new RecordHeader(h.key(), h.value())).toList(), r.timestamp())).toList();
    }

    static void group(String topic) throws Exception {
        try (var p = producer(Map.of())) {
            for (int i = 0; i < 30; i++) p.send(new ProducerRecord<>(topic, i % 3, null, ("" + i).getBytes())).get();
        }
        var seen = new TreeSet<String>();
        var first = consumer(topic, "read_committed");
        first.subscribe(List.of(topic));
        long end = System.currentTimeMillis() + 60000;
        while ((first.assignment().size() < 3 || seen.size() < 30) && System.currentTimeMillis() < end) poll(first, seen);
        check("group, one member", 3, first.assignment().size());
        check("group, records", 30, seen.size());
        first.commitSync();
        var second = consumer(topic, "read_committed");
        second.subscribe(List.of(topic));
        while ((second.assignment().isEmpty() || first.assignment().size() + second.assignment().size() != 3) && System.currentTimeMillis() < end) {
            poll(first, seen);
            poll(second, seen);
        }
        check("group, two members", 3, first.assignment().size() + second.assignment().size());
        check("group, member without partitions", false, first.assignment().isEmpty() || second.assignment().isEmpty());
        second.close();
        while (first.assignment().size() < 3 && System.currentTimeMillis() < end) poll(first, seen);
        check("group, member left", 3, first.assignment().size());
        for (var o : first.committed(first.assignment()).values()) check("group, committed", 10L, o.offset());
        first.close();
    }

    static void poll(KafkaConsumer<byte[], byte[]> c, Set<String> seen) {
        c.poll(Duration.ofMillis(200)).forEach(r -> seen.add(new String(r.value())));
    }

    static void transaction(String topic) throws Exception {
        try (var p = producer(Map.of("transactional.id", topic)); var c = consumer(topic, "read_committed")) {
            p.initTransactions();
            for (var batch : List.of("012", "xy", "34")) {
                p.beginTransaction();
                for (var value : batch.split("")) p.send(new ProducerRecord<>(topic, 0, null, value.getBytes()));
                p.flush();
                if (batch.equals("34")) p.sendOffsetsToTransaction(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(3)), c.groupMetadata());
                if (batch.equals("xy")) p.abortTransaction(); else p.commitTransaction();
            }
        }
        check("read_committed", "01234", values(fetch(topic, 5, "read_committed")));
        check("read_uncommitted", "012xy34", values(fetch(topic, 7, "read_uncommitted")));
        try (var c = consumer(topic, "read_committed")) {
            var part = new TopicPartition(topic, 0);
            check("offset in transaction", 3L, c.committed(Set.of(part)).get(part).offset());
        }
    }

    static String values(List<ConsumerRecord<byte[], byte[]>> records) {
        return records.stream().map(r -> new String(r.value())).collect(Collectors.joining());
    }

    // `write TOPIC CODEC TIME`, `read TOPIC TIME...`, `group`, or with no argument everything on new topics.
    public static void main(String[] args) throws Exception {
        if (args.length > 0 && args[0].equals("write")) write(args[1], args[2], rows(Long.parseLong(args[3])));
        else if (args.length > 0 && args[0].equals("group")) group("rt-java-group-" + System.currentTimeMillis());
        else if (args.length > 0) {
            var times = Stream.of(args).skip(2).mapToLong(Long::parseLong).toArray();
            compare("java", read(args[1], rows(0).size() * times.length), times);
        } else {
            long now = System.currentTimeMillis();
            for (var codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
                write("rt-java-" + codec + "-" + now, codec, rows(now));
                compare(codec, read("rt-java-" + codec + "-" + now, rows(0).size()), now);
            }
            group("rt-java-group-" + now);
            transaction("rt-java-txn-" + now);
        }
        System.out.println(faults > 0 ? "differs" : "ok");
        System.exit(faults > 0 ? 1 : 0);
    }
}
