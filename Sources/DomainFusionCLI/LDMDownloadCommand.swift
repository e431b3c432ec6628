import ArgumentParser
import Diffusion
import DomainGeneralization
import Foundation
import Foundations
import Hub

/// `domainfusion ldm download`
struct LDMDownload: AsyncParsableCommand {
    /// Forms of the weights beside the full ones.
    enum Variant: String, CaseIterable, ExpressibleByArgument {
        case fp16, bf16

        var precision: ModelPrecision { self == .fp16 ? .float16 : .bfloat16 }
    }

    static let configuration = CommandConfiguration(
        commandName: "download",
        abstract: "Download a Stable Diffusion model from the Hugging Face hub into its cache.",
        discussion: """
            Only what this program reads is fetched: configurations, tokenizer, scheduler, and one form of each part's \
            weights, as safetensors. The cache is shared with Python's huggingface_hub. What was stopped goes on with \
            the same command; digests are checked. Prints the model's folder; --ldm takes ORG/NAME, too.

            HF_TOKEN is for models whose licence must be accepted, HF_ENDPOINT for a mirror, HF_HUB_CACHE or HF_HOME for \
            another cache; HF_HUB_OFFLINE=1 forbids any connection.

            Examples:
              domainfusion ldm download stabilityai/sd-turbo --variant fp16
              domainfusion augment lion.png --label lion --ldm stabilityai/sd-turbo --ldm-dtype float16
            """)

    @Argument(
        help: ArgumentHelp("ORG/NAME, or ORG/NAME@REVISION with a branch, a tag or a commit.", valueName: "model"))
    var model: String

    @Option(help: "fp16 or bf16: weights of 16 bits, half as large; by default the full ones.")
    var variant: Variant?

    func run() async throws {
        guard let id = HubCache.ModelID(model) else {
            throw ValidationError("'\(model)' is no model of the hub; wanted ORG/NAME or ORG/NAME@REVISION")
        }
        Interruption.watch()
        var download = try HubDownload(precision: variant?.precision ?? .float32)
        download.needsVariant = variant != nil
        do {
            print(try ModelDownload.fetch(id, download).folder)
        } catch let interruption as Interruption {
            printError("\(interruption): what has come is kept; the same command goes on from there")
            throw ExitCode(interruption.exitStatus)
        }
    }
}
