// One message under way: sent, acknowledged, polled; the time from the send to the poll. Kafka's EndToEndLatency prints whole
// milliseconds, which is too coarse: this prints three digits.   BOOTSTRAP TOPIC MESSAGES ACKS BYTES
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

class Latency {
    public static void main(String[] a) throws Exception {
        int count = Integer.parseInt(a[2]), warmUp = count / 2;
        Map<String, Object> reads = Map.of("bootstrap.servers", a[0], "enable.auto.commit", false, "fetch.max.wait.ms", 500);
        Map<String, Object> writes = Map.of("bootstrap.servers", a[0], "linger.ms", 0, "acks", a[3]);
        byte[] value = new byte[Integer.parseInt(a[4])];
        long[] nanos = new long[count];
        try (var consumer = new KafkaConsumer<>(reads, new ByteArrayDeserializer(), new ByteArrayDeserializer());
             var producer = new KafkaProducer<>(writes, new ByteArraySerializer(), new ByteArraySerializer())) {
            var partition = new TopicPartition(a[1], 0);
            consumer.assign(List.of(partition));
            consumer.seekToEnd(List.of(partition));
            consumer.position(partition);
            for (int i = -warmUp; i < count; i++) {
                long sent = System.nanoTime();
                producer.send(new ProducerRecord<>(a[1], value)).get();
                while (consumer.poll(Duration.ofSeconds(60)).isEmpty()) { }
                if (i >= 0) nanos[i] = System.nanoTime() - sent;
            }
        }
        Arrays.sort(nanos);
        System.out.printf("p50 ms\t%.3f%np99 ms\t%.3f%n", nanos[count / 2] / 1e6, nanos[count * 99 / 100] / 1e6);
    }
}
