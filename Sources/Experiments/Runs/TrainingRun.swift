import DomainFusion
import DomainGeneralization
import Foundation
import Foundations
import Logging
import Pixels
import Torch

/// A training run in its folder: started, resumed after whatever ended it, and brought to its end.
///
///     let run = try TrainingRun(configuration, folder: "runs/erm", registry: .standard, threads: 2) { print($0) }
///     let summary = try run.run()
public final class TrainingRun {
    /// The run's folder.
    public let directory: RunDirectory
    /// The settings with every default filled in.
    public let configuration: RunConfiguration
    /// What the algorithm was built from.
    public let context: AlgorithmContext
    private let trainer: Trainer
    private let average: RunAverage?
    private let report: @Sendable (RunEvent) -> Void
    private let search: HyperparameterSearch
    private let priorWork: PriorWork?
    private var metrics = MetricSums()
    private var rows: [CheckpointRow] = []
    private var step = 0
    private var savedStep = -1
    /// Nil of a run that is done.
    private let events: EventWriter?
    /// The processes that train it together, this one among them; nil for one alone.
    private let group: ProcessGroup?
    private var isDone: Bool

    /// Prepares a run: reads the data, makes the model, and takes up the newest whole checkpoint in the folder.
    /// - Parameters:
    ///   - threads: how many threads work; one operator of libtorch uses as many.
    ///   - restart: forgets an earlier run in the folder, once the new one has a checkpoint.
    ///   - group: the processes that train it together, each on its share of every step's images. The first one keeps the folder;
    ///     the others write nothing.
    /// - Throws: a one-line error for anything that cannot be used; nothing was written before the data was read.
    public init(
        _ configuration: RunConfiguration, folder: String, registry: AlgorithmRegistry, threads: Int,
        restart: Bool = false, group: ProcessGroup? = nil, report: @escaping @Sendable (RunEvent) -> Void
    ) throws {
        Machine.threads = threads
        let setup = try RunSetup(configuration, registry: registry, threads: threads, report: report)
        let leads = group?.isFirst ?? true
        let directory =
            try leads
            ? RunDirectory(folder, configuration: setup.configuration, restart: restart, registry: registry)
            : RunDirectory(following: folder)
        self.directory = directory
        self.group = group
        self.configuration = setup.configuration
        priorWork = setup.priorWork
        self.report = report
        search = HyperparameterSearch(setup.algorithm, dataset: setup.dataset.datasetName)
        if leads, !directory.checkpoints.steps.isEmpty || directory.isDone { try setup.checkImages(of: directory) }
        let algorithm: any Algorithm
        do {
            var context = try setup.context(runDirectory: folder, logger: Logger(label: "domainfusion"), report: report)
            context.group = group
            let additions = Additions(setup.configuration)
            let diffusion = try additions.diffusionModel(context)
            context.frozenFeatures = try diffusion.flatMap { try Self.frozenFeatures(additions, $0) }
            diffusion?.take(context.frozenFeatures)
            self.context = context
            algorithm = try additions.extending(
                setup.algorithm.make(setup.configuration.algorithm.hyperparameters, context: context), diffusion)
            try group?.join(algorithm, setup.configuration)
            try setup.configuration.checkParts(algorithm, processes: group?.size ?? 1)
        } catch {
            directory.bringBackOldRun()
            throw error
        }
        trainer = Trainer(algorithm, context: context, loaderThreads: threads)
        average = RunAverage(self.configuration, parameters: algorithm.classifier.store.parameters)
        if let warning = average?.warning(steps: self.configuration.steps) { report(.warning(warning)) }
        for warning in setup.algorithm.warnings(
            self.configuration.algorithm.hyperparameters, steps: self.configuration.steps)
        {
            report(.warning(warning))
        }
        var start = try RunStart(directory) { report(.warning($0)) }
        if let group { start = try start.ofFirst(in: group) }
        isDone = start.isDone
        guard !isDone else {
            events = nil
            return
        }
        events = leads ? try EventWriter(folder: folder) : nil
        try events?.add(settings: self.configuration.tracked)
        rows = start.rows
        if let checkpoint = start.checkpoint {
            try restore(checkpoint)
            report(.resumed(step))
        } else {
            try directory.write(setup.environment(threads: threads).text + "\n", to: "environment.json")
            try directory.write(JSONValue(encoding: context.classes).text + "\n", to: "classes.json")
        }
        rows.removeAll { $0.step > step }
    }

    /// The frozen features of all items, worked out or found in the store.
    private static func frozenFeatures(
        _ additions: Additions, _ diffusion: RunDiffusionModel
    ) throws -> FrozenFeatureTable? {
        let context = diffusion.context
        return try additions.frozenFeatures(diffusion.features).map { source in
            let table = try FrozenFeatureTable(
                source, dataset: context.dataset, images: context.images, device: context.device,
                over: context.group
            ) { done, all in
                if done % 512 == 0 || done == all { context.logger.info("features: \(done) of \(all)") }
            }
            try diffusion.ledger.write()
            return table
        }
    }

    private func restore(_ checkpoint: Checkpoint) throws {
        if !directory.isFollowed {
            try checkpoint.state.run?.check(folder: directory.path)
            try checkpoint.state.run?.check(rows, folder: directory.path)
        }
        let folder = "\(directory.checkpoints.path)/step-\(checkpoint.state.step)"
        try trainer.algorithm.classifier.store.load(checkpoint.model, name: "\(folder)/model.safetensors")
        let state = AlgorithmState(tensors: checkpoint.optimizer, json: checkpoint.state.algorithm)
        try trainer.algorithm.load(state, name: folder)
        try average?.load(state, name: folder)
        metrics = checkpoint.state.metrics
        step = checkpoint.state.step
        savedStep = step
    }

    /// Trains to the end; a run that is done gives its summary at once, whatever is left of its checkpoints.
    /// - Throws: `Interruption` after a signal, with the state saved; a one-line error otherwise, also in `failed`.
    public func run() throws -> RunSummary {
        if isDone { return try group.ofFirst { try directory.summary() } }
        do {
            try trainToTheEnd()
            return try finish()
        } catch let interruption as Interruption {
            throw interruption
        } catch {
            let failure =
                (error as? NonFiniteError).map(listed) ?? group?.explained(error, savedStep: savedStep) ?? error
            try? directory.write("\(failure)\n", to: "failed")
            throw failure
        }
    }

    /// - Throws: also `Interruption`, with the state saved.
    private func trainToTheEnd() throws {
        do {
            while true {
                if isEvaluationDue {
                    try evaluate()
                } else if let average, average.isValidationDue(step) {
                    try validate(average)
                }
                guard step < configuration.steps else { return }
                try train()
            }
        } catch let interruption as Interruption {
            try save()
            throw interruption
        }
    }

    /// Lists the images of a step that could not be taken; the error then says where.
    private func listed(_ error: NonFiniteError) -> any Error {
        let lines = error.items.map { context.dataset.items[$0].path + "\n" }.joined()
        do {
            try directory.write(lines, to: RunDirectory.failedBatch)
        } catch let other {
            return UserError("\(error); its images cannot be listed (\(other))")
        }
        return UserError("\(error); its images are listed in \(directory.path)/\(RunDirectory.failedBatch)")
    }

    /// Ends work between two batches where a signal asks for it. Several processes go on to the next step, so that all of them end
    /// at the same place.
    private func poll() throws {
        if group == nil { try Interruption.poll() }
    }

    private var isEvaluationDue: Bool {
        let isBoundary = step > 0 && step % configuration.evaluateEvery == 0 || step == configuration.steps
        return isBoundary && rows.last?.step != step
    }

    /// Trains to the next evaluation or checkpoint, and saves.
    private func train() throws {
        func boundary(_ every: Int) -> Int { (step / every + 1) * every }
        var end = min(configuration.steps, boundary(configuration.evaluateEvery), boundary(configuration.saveEvery))
        if let average { end = min(end, boundary(average.every)) }
        step = try trainer.train(step..<end, shouldStop: { group.interruption != nil }) { done, new in
            metrics.add(new)
            average?.update(step: done)
            for metric in new { try events?.add("train/\(metric.name)", metric.value, step: done + 1) }
            if new.contains(where: { $0.name == SyntheticMinibatches.roundMetric }) { try showRound(step: done + 1) }
            report(.step(done + 1, configuration.steps, new))
        }
        if let interruption = group.interruption { throw interruption }
        // An evaluation that is due saves when it is done.
        if step % configuration.saveEvery == 0, !isEvaluationDue { try save() }
    }

    /// Puts some images of a round of online augmentation among the events.
    private func showRound(step: Int) throws {
        let paths = SyntheticSet.imagePaths(in: "\(directory.path)/synthetic")
        let shown = min(8, paths.count)
        for number in 0..<shown {
            let path = paths[(2 * number + 1) * paths.count / (2 * shown)]
            guard let image = try? ImageFile.decode(path) else { continue }
            try events?.add("synthetic/\(number)", image, step: step)
        }
    }

    /// Tells the average of the sources' validation loss.
    private func validate(_ average: RunAverage) throws {
        let start = Date()
        guard let loss = try trainer.validationLoss(poll: poll) else { return }
        metrics.add([Metric("evaluation_seconds", Date().timeIntervalSince(start), .total)])
        try events?.add("evaluation/validation_loss", loss, step: step)
        average.validated(loss: loss, step: step)
    }

    private func evaluate() throws {
        report(.evaluating(step))
        let start = Date()
        let scores = try trainer.evaluate(includeSources: configuration.evaluateTraining, poll: poll)
        metrics.add([Metric("evaluation_seconds", Date().timeIntervalSince(start), .total)])
        let losses = context.sourceEnvironments.compactMap {
            scores[ScoreKey(environment: $0, .validation, .loss).name]
        }
        if let average, average.isValidationDue(step), !losses.isEmpty {
            average.validated(loss: losses.reduce(0, +) / Double(losses.count), step: step)
        }
        let row = CheckpointRow(values(of: scores))
        for (key, value) in scores.sorted(by: { $0.key < $1.key }) {
            try events?.add("evaluation/\(key)", value, step: step)
        }
        rows.append(row)
        metrics.startOver()
        try directory.write(rows)
        try save()
        report(.evaluated(row))
    }

    /// A row with DomainBed's keys.
    private func values(of scores: [String: Double]) -> [String: JSONValue] {
        var values = scores.mapValues(JSONValue.double)
        values.merge(metrics.means.mapValues(JSONValue.double)) { $1 }
        values.merge(metrics.totals.mapValues(JSONValue.double)) { $1 }
        values["step"] = .int(step)
        values["epoch"] = .double(Double(step) / context.stepsPerEpoch)
        values["mem_gb"] = .double(PeakMemory.bytes(of: context.device) / 0x1p30)
        values["hparams"] = .object(configuration.domainBedHyperparameters(search))
        values["args"] =
            configuration.arguments(
                of: search.algorithm, dataset: context.dataset, held: context.testEnvironments, output: directory.path
            ).json
        return values
    }

    private func save() throws {
        guard !directory.isFollowed else {
            savedStep = step
            return
        }
        guard savedStep != step || rows.last?.step == step else { return }
        var state = trainer.algorithm.state
        average?.add(to: &state)
        try directory.save(
            Checkpoint(
                state: .init(
                    step: step, metrics: metrics, algorithm: state.json,
                    run: RunRecord(folder: directory.path, rows: rows)),
                model: trainer.algorithm.classifier.store.state, optimizer: state.tensors))
        savedStep = step
        directory.checkpoints.prune(keeping: Set(selectedStep.map { [$0] } ?? []))
    }

    /// The step that training-domain validation chooses so far.
    private var selectedStep: Int? {
        let sources = context.dataset.environments.indices.filter { !context.testEnvironments.contains($0) }
        return ModelSelection.trainingDomain.choose(rows, sources: sources)?.step
    }

    /// Writes predictions of the selected model, the summary and `done`. The checkpoints stay as they are: the classifier is
    /// another now.
    private func finish() throws -> RunSummary {
        if let average, let last = rows.last, last.average == nil {
            let (scores, warning) = try average.finish(trainer, directory: directory, steps: step, poll: poll)
            if let warning { report(.warning(warning)) }
            rows[rows.count - 1] = CheckpointRow(last.values.merging(scores.mapValues(JSONValue.double)) { $1 })
            try directory.write(rows)
        }
        let selected = selectedStep ?? step
        if selected != step || average != nil {
            var model = try directory.isFollowed ? StateDict() : directory.checkpoints.read(selected).model
            if let group { model = try model.ofFirst(in: group) }
            try trainer.algorithm.classifier.store.load(model, name: directory.checkpoints.path)
        }
        let domains = RunDomains(context)
        // Part by part, as they were evaluated: some algorithms predict by the other images of a batch.
        let predictions = try domains.predictedParts.flatMap { try trainer.predictions($0, poll: poll) }
        try directory.write(domains.lines(predictions), to: "predictions.jsonl")
        let summary = RunSummary(
            rows, predictions: predictions, configuration: configuration, domains: domains, totals: metrics.totals)
        try directory.write(JSONValue(encoding: summary).text + "\n", to: "summary.json")
        for scalar in summary.scalars { try events?.add(scalar.name, scalar.value, step: scalar.step) }
        try events?.addEnd()
        if let priorWork, !directory.isFollowed {
            let path = "\(directory.path)/ledger.json"
            var ledger = try Ledger(path: path)
            ledger.before = priorWork
            try ledger.write(to: path)
        }
        try directory.seal()
        isDone = true
        return summary
    }
}
