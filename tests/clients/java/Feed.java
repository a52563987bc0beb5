// Writes lines of `key TAB milliseconds TAB value` from its input to a topic: BOOTSTRAP TOPIC
import java.io.*;
import java.util.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.StringSerializer;

class Feed {
    public static void main(String[] a) throws Exception {
        var in = new BufferedReader(new InputStreamReader(System.in));
        Map<String, Object> settings = Map.of("bootstrap.servers", a[0], "linger.ms", 5, "acks", "all");
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            var sent = new ArrayList<java.util.concurrent.Future<RecordMetadata>>();
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                var f = line.split("\t");
                sent.add(producer.send(new ProducerRecord<>(a[1], null, Long.parseLong(f[1]), f[0], f[2])));
            }
            for (var one : sent) one.get();
        }
    }
}
