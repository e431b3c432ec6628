import Foundation
import Foundations
import Hub

/// An MLflow server, asked by its REST API 2.0 (https://mlflow.org/docs/latest/rest-api.html).
final class MLflowServer {
    /// The most metrics, and the most settings, of a request.
    static let most = (metrics: 1000, settings: 100)
    /// The longest text of a setting or tag that every version takes.
    private static let longest = 500
    /// The experiment that runs are put into where `MLFLOW_EXPERIMENT_NAME` names none.
    private static let experiment = "domainfusion"

    private let client: JSONClient
    private let experimentName: String

    /// - Parameters:
    ///   - environment: has the credentials by the names that MLflow's own client reads.
    ///   - seconds: a request that takes longer is given up.
    /// - Throws: `UserError` for credentials that cannot be sent.
    init(
        _ address: TrackerAddress, environment: [String: String], seconds: Double, poll: @escaping () throws -> Void
    ) throws {
        experimentName = environment["MLFLOW_EXPERIMENT_NAME"] ?? Self.experiment
        let headers = ["User-Agent: domainfusion"] + (try Self.authorization(environment).map { [$0] } ?? [])
        client = try JSONClient("\(address.url)/api/2.0/mlflow/", headers: headers, seconds: seconds, poll: poll)
    }

    private static func authorization(_ environment: [String: String]) throws -> String? {
        if let name = environment["MLFLOW_TRACKING_USERNAME"], let word = environment["MLFLOW_TRACKING_PASSWORD"] {
            return "Authorization: Basic \(Data("\(name):\(word)".utf8).base64EncodedString())"
        }
        guard let token = environment["MLFLOW_TRACKING_TOKEN"], !token.isEmpty else { return nil }
        guard token.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
            throw UserError(
                "MLFLOW_TRACKING_TOKEN: no token: it holds spaces, line breaks or letters that are not ASCII")
        }
        return "Authorization: Bearer \(token)"
    }

    /// A metric's name as MLflow takes it.
    static func key(_ tag: String) -> String {
        String(tag.map { $0.isLetter || $0.isNumber || "/_-. ".contains($0) ? $0 : "_" }.prefix(250))
    }

    /// The run of a name, found or begun.
    func run(id: String, of tracked: TrackedRun) throws -> String {
        let experiment = try experimentID()
        let search: JSONValue = [
            "experiment_ids": [.string(experiment)], "filter": .string("tags.`\(Self.idTag)` = '\(id)'"),
            "max_results": 1,
        ]
        if let found = try client.post("runs/search", search)["runs"]?.array?.first { return try Self.runID(found) }
        let tags = tracked.tags.merging([Self.idTag: id]) { $1 }
        let answer = try client.post(
            "runs/create",
            [
                "experiment_id": .string(experiment), "run_name": .string(tracked.name),
                "start_time": Self.milliseconds(tracked.started.timeIntervalSince1970), "tags": Self.pairs(tags),
            ])
        return try Self.runID(answer["run"])
    }

    private static let idTag = "domainfusion.id"

    private static func runID(_ run: JSONValue?) throws -> String {
        guard let id = run?["info"]?["run_id"]?.string else { throw JSONClient.Failure.garbage }
        return id
    }

    private func experimentID() throws -> String {
        func found() throws -> String? {
            do {
                let answer = try client.get("experiments/get-by-name", ["experiment_name": experimentName])
                guard let id = answer["experiment"]?["experiment_id"]?.string else { throw JSONClient.Failure.garbage }
                return id
            } catch JSONClient.Failure.refused(404, let answer) where Self.isMissing(answer) {
                return nil
            }
        }
        if let id = try found() { return id }
        do {
            let answer = try client.post("experiments/create", ["name": .string(experimentName)])
            guard let id = answer["experiment_id"]?.string else { throw JSONClient.Failure.garbage }
            return id
        } catch JSONClient.Failure.refused(400, let answer) where answer?["error_code"] == "RESOURCE_ALREADY_EXISTS" {
            // Another run has made it meanwhile.
            guard let id = try found() else { throw JSONClient.Failure.refused(400, answer) }
            return id
        }
    }

    private static func isMissing(_ answer: JSONValue?) -> Bool { answer?["error_code"] == "RESOURCE_DOES_NOT_EXIST" }

    /// The last step that the server has of each metric of a run, and the run's status.
    /// - Returns: nil where it does not know the run.
    func state(of run: String) throws -> (sent: [String: Int], status: String?)? {
        let answer: JSONValue
        do {
            answer = try client.get("runs/get", ["run_id": run])
        } catch JSONClient.Failure.refused(404, let answer) where Self.isMissing(answer) {
            return nil
        }
        _ = try Self.runID(answer["run"])
        let metrics = answer["run"]?["data"]?["metrics"]?.array ?? []
        let steps = metrics.compactMap { metric -> (String, Int)? in
            guard let key = metric["key"]?.string else { return nil }
            // Older versions write whole numbers of 64 bits as texts.
            let step = metric["step"]?.int ?? metric["step"]?.string.flatMap { Int($0) }
            return (key, step ?? 0)
        }
        return (Dictionary(steps) { max($0, $1) }, answer["run"]?["info"]?["status"]?.string)
    }

    /// Adds metrics to a run: all of them or none.
    func log(_ scalars: [EventScalar], of run: String) throws {
        let metrics = scalars.map { scalar in
            JSONValue.object([
                "key": .string(Self.key(scalar.tag)), "value": .double(scalar.value), "step": .int(scalar.step),
                "timestamp": Self.milliseconds(scalar.time),
            ])
        }
        _ = try client.post("runs/log-batch", ["run_id": .string(run), "metrics": .array(metrics)])
    }

    /// Sets a run's settings, which then are fixed, and its tags. Repeating it changes nothing.
    func describe(_ run: String, settings: [String: String], tags: [String: String]) throws {
        let names = settings.keys.sorted()
        for start in stride(from: 0, to: names.count, by: Self.most.settings) {
            let part = names[start..<min(start + Self.most.settings, names.count)]
            let values = Dictionary(uniqueKeysWithValues: part.map { ($0, settings[$0] ?? "") })
            _ = try client.post("runs/log-batch", ["run_id": .string(run), "params": Self.pairs(values)])
        }
        _ = try client.post("runs/log-batch", ["run_id": .string(run), "tags": Self.pairs(tags)])
    }

    /// Says how far a run is.
    /// - Parameter ended: when it ended; nil of one that runs.
    func update(_ run: String, status: String, ended: Date?) throws {
        var request: [String: JSONValue] = ["run_id": .string(run), "status": .string(status)]
        request["end_time"] = ended.map { Self.milliseconds($0.timeIntervalSince1970) }
        _ = try client.post("runs/update", .object(request))
    }

    private static func pairs(_ texts: [String: String]) -> JSONValue {
        .array(
            texts.sorted { $0.key < $1.key }.map { name, text in
                ["key": .string(String(name.prefix(250))), "value": .string(String(text.prefix(longest)))]
            })
    }

    private static func milliseconds(_ seconds: Double) -> JSONValue { .int(Int(clamping: (seconds * 1000).rounded())) }
}
