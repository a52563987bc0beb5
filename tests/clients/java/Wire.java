// One connection that sends requests of any API and version as Kafka's own classes write them, and reads answers as they read them.
import com.fasterxml.jackson.databind.JsonNode;
import java.io.*;
import java.net.Socket;
import java.nio.ByteBuffer;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.protocol.*;

class Wire implements AutoCloseable {
    static final int ANSWER_SECONDS_MAX = 20;
    private final String host;
    private final int port;
    private Socket socket;
    private int correlation;

    Wire(String address) throws IOException {
        host = address.substring(0, address.lastIndexOf(':'));
        port = Integer.parseInt(address.substring(address.lastIndexOf(':') + 1));
    }

    // The answer; null when the broker closed the connection instead.
    ApiMessage ask(ApiMessageType type, short version, ApiMessage body) throws IOException {
        if (socket == null) {
            socket = new Socket(host, port);
            socket.setSoTimeout(ANSWER_SECONDS_MAX * 1000);
        }
        try {
            send(type, version, body);
            if (type == ApiMessageType.PRODUCE && ((ProduceRequestData) body).acks() == 0) return null;
            return read(type, version);
        } catch (EOFException | java.net.SocketException closed) {
            close();
            return null;
        }
    }

    private void send(ApiMessageType type, short version, ApiMessage body) throws IOException {
        var header = new RequestHeaderData().setRequestApiKey(type.apiKey()).setRequestApiVersion(version)
            .setCorrelationId(++correlation).setClientId("differential");
        var cache = new ObjectSerializationCache();
        short headerVersion = type.requestHeaderVersion(version);
        int size = header.size(cache, headerVersion) + body.size(cache, version);
        var buffer = ByteBuffer.allocate(4 + size);
        buffer.putInt(size);
        header.write(new ByteBufferAccessor(buffer), cache, headerVersion);
        body.write(new ByteBufferAccessor(buffer), cache, version);
        socket.getOutputStream().write(buffer.array());
    }

    private ApiMessage read(ApiMessageType type, short version) throws IOException {
        var in = new DataInputStream(socket.getInputStream());
        var bytes = new byte[in.readInt()];
        in.readFully(bytes);
        var buffer = new ByteBufferAccessor(ByteBuffer.wrap(bytes));
        var header = new ResponseHeaderData(buffer, type.responseHeaderVersion(version));
        if (header.correlationId() != correlation) throw new IOException("answer " + header.correlationId() + " to request " + correlation);
        var answer = type.newResponse();
        answer.read(buffer, version);
        if (buffer.remaining() > 0) throw new IOException(buffer.remaining() + " bytes too many in an answer to " + type + " " + version);
        return answer;
    }

    // A message as JSON, by the converter that is generated beside its class.
    static JsonNode json(ApiMessage message, short version) throws ReflectiveOperationException {
        return (JsonNode) Class.forName(message.getClass().getName() + "JsonConverter").getMethod("write", message.getClass(), short.class, boolean.class)
            .invoke(null, message, version, false); // of records, their size
    }

    public void close() throws IOException {
        if (socket != null) socket.close();
        socket = null;
    }
}
