import ArgumentParser

struct GenerateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Generate images of a whole data set before training, and select the good ones (CDGA, FDS).",
        discussion: """
            'domainfusion train --generated DIR' trains on a folder's images, but for those that were made of its held-out domain, or \
            in its style. 'generate select' keeps those that a classifier recognises, in a folder of their own.

            The same command goes on after any interruption. Several of it on one folder, on one machine or many, share the \
            work. 'domainfusion help generate images' has all options.

            Examples:
              domainfusion generate --data data/EmojiDG --output generated/emoji
              domainfusion generate --data data/PACS --ldm SD --method cdga-ig --output generated/pacs-ig
              domainfusion generate --data data/PACS --ldm sd-pacs --method fds --domains art_painting,cartoon,photo \\
                --output generated/pacs-fds
              domainfusion generate select generated/pacs-fds --judge runs/erm --correct --keep 570 --output generated/hard
            """,
        subcommands: [GenerateImagesCommand.self, GenerateSelectCommand.self],
        defaultSubcommand: GenerateImagesCommand.self)
}
