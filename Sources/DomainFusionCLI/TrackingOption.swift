import ArgumentParser
import Experiments

/// Where figures are sent beside the run's folder.
struct TrackingOption: ParsableArguments {
    /// What credentials come from.
    static let credentials =
        "Credentials come from MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN; the experiment's "
        + "name from MLFLOW_EXPERIMENT_NAME."

    @Option(
        help: ArgumentHelp(
            "Send settings, metrics and status to an MLflow server, too, while training: mlflow=URL. One that is down stops "
                + "nothing; 'domainfusion track' sends what is left. \(TrackingOption.credentials)",
            valueName: "tracker"), completion: .list(["mlflow=http://"]))
    var track: String?

    /// The tracker; nil where none is named.
    /// - Throws: `UserError` for what is no tracker's address.
    func address() throws -> TrackerAddress? { try track.map(TrackerAddress.init) }
}
