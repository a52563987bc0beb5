// The same requests to two brokers, every version that both offer; answers compared by code and shape. Prints what differs.
//   Differential SCRIPT KNOWN REFERENCE CANDIDATE      brokers as host:port; KNOWN: differences that are meant, with reasons
// A step of the script: {"api", "body", "versions": [from, to], "save": {variable: json pointer}, "mask": [names of fields], "until": code}.
// `$v` is the version and `$run` this run's number. Values of fields that are random or the broker's own are compared by type alone.
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.*;
import java.io.File;
import java.nio.file.*;
import java.util.*;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.protocol.*;

class Differential {
    // what a broker makes up, measures, or says in its own words
    static final Set<String> OWN = Set.of("throttleTimeMs", "clusterId", "topicId", "memberId", "leaderId", "members.memberId", "producerId",
        "host", "port", "errorMessage", "statusMessage", "sessionId", "totalBytes", "usableBytes", "size", "partitionSize", "logDir", "clientHost", "directoryId", "skipAssignment",
        "lastTimestamp", "transactionStartTimeMs", "leaderRecoveryState", "finalizedFeaturesEpoch", "currentLeaderEpoch", "rack", "isFenced", "lastFetchTimestamp", "lastCaughtUpTimestamp", "replicaDirectoryId");
    static final int WAIT_SECONDS_MAX = 15;

    static class Broker implements AutoCloseable {
        final Wire wire;
        final Map<String, String> variables = new HashMap<>();
        final Map<Short, ApiVersionsResponseData.ApiVersion> offered = new HashMap<>();

        Broker(String address, String run) throws Exception {
            wire = new Wire(address);
            variables.put("run", run);
            var answer = (ApiVersionsResponseData) wire.ask(ApiMessageType.API_VERSIONS, (short) 3,
                new ApiVersionsRequestData().setClientSoftwareName("differential").setClientSoftwareVersion("1"));
            answer.apiKeys().forEach(key -> offered.put(key.apiKey(), key));
        }

        boolean offers(short key, short version) {
            var range = offered.get(key);
            return range != null && range.minVersion() <= version && version <= range.maxVersion();
        }

        // The answer as JSON, text `closed` or `not sendable`; asked again while it says "not yet", or not yet the code that the step waits for.
        JsonNode ask(ApiMessageType type, short version, JsonNode step) throws Exception {
            variables.put("v", String.valueOf(version));
            for (long end = System.currentTimeMillis() + WAIT_SECONDS_MAX * 1000;; Thread.sleep(100)) {
                var body = type.newRequest();
                new Body(variables).fill(body, step.path("body"));
                ApiMessage answer;
                try {
                    answer = wire.ask(type, version, body);
                } catch (UnsupportedVersionException other) {
                    return JSON.getNodeFactory().textNode("not sendable");
                }
                if (answer == null) return JSON.getNodeFactory().textNode("closed");
                var json = Wire.json(answer, version);
                var saved = step.path("save");
                saved.fieldNames().forEachRemaining(name -> variables.put(name, json.at(saved.get(name).asText()).asText()));
                int error = firstError(json);
                boolean settled = step.has("until") ? error == step.get("until").asInt() : !NOT_YET.contains(error);
                if (settled || System.currentTimeMillis() > end) return json;
            }
        }

        public void close() throws Exception { wire.close(); }
    }

    // COORDINATOR_LOAD_IN_PROGRESS, NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE, CONCURRENT_TRANSACTIONS: a client asks again
    static final Set<Integer> NOT_YET = Set.of(14, 15, 16, 51);
    static final ObjectMapper JSON = new ObjectMapper().configure(JsonParser.Feature.ALLOW_COMMENTS, true);

    static int firstError(JsonNode json) {
        for (var found : json.findValues("errorCode")) if (found.asInt() != 0) return found.asInt();
        return 0;
    }

    // Both trees side by side; each difference as a line of path and the two values.
    static void compare(String path, String name, JsonNode a, JsonNode b, Set<String> masked, List<String> out) {
        if (a.getNodeType() != b.getNodeType() && !(a.isNumber() && b.isNumber())) {
            if (!masked.contains(name)) out.add(path + ": " + shortly(a) + " | " + shortly(b));
        } else if (a.isObject()) {
            var names = new TreeSet<String>();
            a.fieldNames().forEachRemaining(names::add);
            b.fieldNames().forEachRemaining(names::add);
            for (var field : names) compare(path + "/" + field, field, a.path(field), b.path(field), masked, out);
        } else if (a.isArray()) {
            if (masked.contains(name)) return;
            var left = sorted(a);
            var right = sorted(b);
            if (left.size() != right.size()) out.add(path + ": " + shortly(a) + " | " + shortly(b));
            else for (int i = 0; i < left.size(); i++) compare(path + "[" + i + "]", name, left.get(i), right.get(i), masked, out);
        } else if (!a.equals(b) && !masked.contains(name)) out.add(path + ": " + shortly(a) + " | " + shortly(b));
    }

    // Most lists of the protocol have no order: by name, index or key where there is one.
    static List<JsonNode> sorted(JsonNode array) {
        var all = new ArrayList<JsonNode>();
        array.forEach(all::add);
        for (var key : List.of("name", "topicName", "apiKey", "partitionIndex", "partition", "index", "groupId", "resourceName", "transactionalId", "brokerId", "nodeId"))
            if (!all.isEmpty() && all.stream().allMatch(node -> node.has(key)))
                all.sort(Comparator.comparing((JsonNode node) -> node.get(key).isNumber() ? node.get(key).asInt() : 0).thenComparing(node -> node.get(key).asText()));
        return all;
    }

    static String shortly(JsonNode node) {
        var text = node.isMissingNode() ? "(nothing)" : node.toString();
        return text.length() > 300 ? text.substring(0, 300) + "…" : text;
    }

    static List<String> known(String file) throws Exception {
        return Files.readAllLines(Path.of(file)).stream().filter(line -> !line.isBlank() && !line.startsWith("#")).map(line -> line.split("\t")[0]).toList();
    }

    public static void main(String[] a) throws Exception {
        var steps = JSON.readTree(new File(a[0]));
        var known = known(a[1]);
        var used = new HashSet<String>();
        var run = String.valueOf(System.currentTimeMillis());
        int asked = 0, faults = 0;
        var notOffered = new TreeMap<String, TreeSet<Short>>();
        var covered = new TreeSet<Short>();
        try (var reference = new Broker(a[2], run); var candidate = new Broker(a[3], run)) {
            for (var step : steps) {
                var type = ApiMessageType.valueOf(step.get("api").asText());
                var masked = new HashSet<>(OWN);
                step.path("mask").forEach(name -> masked.add(name.asText()));
                var range = step.path("versions");
                for (short version = type.lowestSupportedVersion(); version <= type.highestSupportedVersion(true); version++) {
                    if (!range.isMissingNode() && (version < range.get(0).asInt() || version > range.get(1).asInt())) continue;
                    if (!reference.offers(type.apiKey(), version)) continue;
                    if (!candidate.offers(type.apiKey(), version)) {
                        notOffered.computeIfAbsent(type.name, name -> new TreeSet<>()).add(version);
                        continue;
                    }
                    var wanted = reference.ask(type, version, step);
                    var seen = candidate.ask(type, version, step);
                    asked++;
                    covered.add(type.apiKey());
                    var differences = new ArrayList<String>();
                    compare("", "", wanted, seen, masked, differences);
                    for (var difference : differences) {
                        var line = type.name + " " + step.path("note").asText() + " " + difference.replaceAll("\\[\\d+\\]", "[]").split(": ")[0];
                        if (known.contains(line)) {
                            used.add(line);
                            continue;
                        }
                        faults++;
                        System.out.println(type.name + " " + version + " " + step.path("note").asText() + " " + difference);
                    }
                }
            }
            var only = new TreeSet<>(candidate.offered.keySet());
            only.removeAll(covered);
            for (short key : only) System.out.println("no request of this script is of the API " + ApiMessageType.fromApiKey(key).name);
            faults += only.size();
        }
        notOffered.forEach((name, versions) -> System.out.println("not offered: " + name + " " + versions));
        for (var line : known) if (!used.contains(line)) System.out.println("known, but not seen: " + line);
        System.out.println(asked + " requests, " + faults + " differences");
        System.exit(faults > 0 ? 1 : 0);
    }
}
