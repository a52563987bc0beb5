// Fills a message of Kafka's protocol from JSON: each field by its setter, what is not named keeps its default. `$name` in a text is
// replaced by a variable; records are named by what is in them: {"values": ["a"], "producer": [id, epoch, sequence], "transactional": true}.
import com.fasterxml.jackson.databind.JsonNode;
import java.lang.reflect.*;
import java.nio.ByteBuffer;
import java.util.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.record.internal.*;

class Body {
    private final Map<String, String> variables;

    Body(Map<String, String> variables) { this.variables = variables; }

    void fill(Object message, JsonNode fields) throws ReflectiveOperationException {
        for (var it = fields.fields(); it.hasNext();) {
            var field = it.next();
            var name = "set" + Character.toUpperCase(field.getKey().charAt(0)) + field.getKey().substring(1);
            var setter = Arrays.stream(message.getClass().getMethods()).filter(m -> m.getName().equals(name)).findFirst()
                .orElseThrow(() -> new NoSuchMethodException(message.getClass() + " " + name));
            setter.invoke(message, value(field.getValue(), setter.getGenericParameterTypes()[0]));
        }
    }

    String text(JsonNode node) {
        var text = node.asText();
        // the longest name first, so that $id does not spoil $idle
        for (var name : variables.keySet().stream().sorted(Comparator.comparing(String::length).reversed()).toList())
            text = text.replace("$" + name, variables.get(name));
        return text;
    }

    private Object value(JsonNode node, Type type) throws ReflectiveOperationException {
        if (node.isNull()) return null;
        if (type instanceof ParameterizedType list) return list(node, list.getActualTypeArguments()[0], new ArrayList<>());
        var wanted = (Class<?>) type;
        if (Collection.class.isAssignableFrom(wanted)) {
            var element = ((ParameterizedType) wanted.getGenericSuperclass()).getActualTypeArguments()[0];
            @SuppressWarnings("unchecked") var made = (Collection<Object>) wanted.getConstructor().newInstance();
            return list(node, element, made);
        }
        var text = text(node);
        if (wanted == String.class) return text;
        if (wanted == boolean.class) return Boolean.parseBoolean(text);
        if (wanted == byte.class || wanted == Byte.class) return Byte.parseByte(text);
        if (wanted == short.class || wanted == Short.class) return Short.parseShort(text);
        if (wanted == int.class || wanted == Integer.class) return Integer.parseInt(text);
        if (wanted == long.class || wanted == Long.class) return Long.parseLong(text);
        if (wanted == double.class) return Double.parseDouble(text);
        if (wanted == Uuid.class) return Uuid.fromString(text);
        if (wanted == byte[].class) return text.getBytes();
        if (wanted == ByteBuffer.class) return ByteBuffer.wrap(text.getBytes());
        if (BaseRecords.class.isAssignableFrom(wanted)) return records(node);
        var made = wanted.getConstructor().newInstance();
        fill(made, node);
        return made;
    }

    private Collection<Object> list(JsonNode node, Type element, Collection<Object> out) throws ReflectiveOperationException {
        for (var one : node) out.add(value(one, element));
        return out;
    }

    private Records records(JsonNode node) {
        var records = new ArrayList<SimpleRecord>();
        long at = node.path("time").asLong(1_700_000_000_000L);
        for (var value : node.path("values")) {
            var key = node.has("keys") ? ("key-" + value.asText()).getBytes() : null;
            records.add(new SimpleRecord(at + records.size(), key, value.asText().getBytes()));
        }
        var all = records.toArray(new SimpleRecord[0]);
        var none = Compression.of(CompressionType.forName(node.path("compression").asText("none"))).build();
        var producer = node.path("producer");
        if (producer.isMissingNode()) return MemoryRecords.withRecords(none, all);
        long id = Long.parseLong(text(producer.get(0)));
        short epoch = Short.parseShort(text(producer.get(1)));
        int sequence = Integer.parseInt(text(producer.get(2)));
        return node.path("transactional").asBoolean() ? MemoryRecords.withTransactionalRecords(none, id, epoch, sequence, all)
            : MemoryRecords.withIdempotentRecords(none, id, epoch, sequence, all);
    }
}
