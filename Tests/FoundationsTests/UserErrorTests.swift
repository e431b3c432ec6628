import Foundations
import Testing

struct UserErrorTests {
    @Test func nearNamesAreSuggested() {
        let known = ["resnet18", "resnet50"]
        #expect(
            UserError.unknown("backbone", "ResNet5", among: known).message
                == "no backbone 'ResNet5'; did you mean resnet50 or resnet18?")
        #expect(
            UserError.unknown("backbone", "x", among: known).message == "no backbone 'x'; known: resnet18, resnet50")
        #expect(UserError.unknown("backbone", "x", among: []).message == "no backbone 'x'; known: none")
    }

    @Test func dashesDotsAndCaseDoNotCount() {
        #expect(nearMisses("learning-rate", among: ["steps", "learningRate"]) == ["learningRate"])
    }
}
