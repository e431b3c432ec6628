/// Names in pickles that stand for plain data beside the weights: hyperparameters as numpy's numbers, a parser's namespace,
/// what PyTorch Lightning and its kin note of a training. ``PickleReader`` makes nothing of them and calls nothing.
enum InertNames {
    /// Whether a module's name may be passed over.
    static func contains(_ module: String, _ name: String) -> Bool {
        if builtins.contains(module) { return types.contains(name) }
        let package = module.prefix { $0 != "." }
        return names[module]?.contains(name) == true || packages.contains(String(package))
    }

    private static let builtins: Set = ["builtins", "__builtin__"]
    private static let types: Set = [
        "set", "frozenset", "complex", "slice", "range", "bytearray", "bytes", "list", "dict", "tuple", "int", "float",
        "bool",
        "str", "object",
    ]
    private static let names: [String: Set<String>] = [
        "numpy": ["dtype", "ndarray"], "numpy.core.multiarray": ["scalar", "_reconstruct"],
        "numpy._core.multiarray": ["scalar", "_reconstruct"], "numpy.core.numeric": ["_frombuffer"],
        "numpy._core.numeric": ["_frombuffer"], "_codecs": ["encode"], "argparse": ["Namespace"],
        "types": ["SimpleNamespace"], "torch": ["device", "Generator"], "torch.nn.modules.container": ["ParameterDict"],
        "collections": ["defaultdict", "Counter"], "copy_reg": ["_reconstructor"], "copyreg": ["_reconstructor"],
        "datetime": ["datetime", "date", "timedelta"], "pathlib": ["PosixPath", "WindowsPath", "PurePosixPath"],
        "pathlib._local": ["PosixPath", "WindowsPath", "PurePosixPath"], "typing": ["Any"],
    ]
    /// Trainers and their settings.
    private static let packages: Set = ["pytorch_lightning", "lightning", "lightning_fabric", "omegaconf", "lightly"]
}
