import Foundations
import Testing

@testable import Torch

struct LaunchEnvironmentTests {
    @Test func aProcessAloneHasNoPlace() throws {
        #expect(try LaunchEnvironment([:]) == nil)
        #expect(try LaunchEnvironment(["WORLD_SIZE": "1", "RANK": "0"]) == nil)
        // A batch job with several tasks, of which this is the script.
        #expect(try LaunchEnvironment(["SLURM_PROCID": "0", "SLURM_NTASKS": "4"]) == nil)
    }

    @Test func torchrunsPlaceIsFound() throws {
        let place = try #require(
            try LaunchEnvironment([
                "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4", "MASTER_ADDR": "node01",
                "MASTER_PORT": "29400", "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "2",
            ]))
        var wanted = LaunchEnvironment(rank: 5, size: 8, localRank: 1, localSize: 4, host: "node01", port: 29400)
        wanted.isServedByLauncher = true
        wanted.attempt = 2
        #expect(place == wanted)
    }

    @Test func slurmsPlaceIsFound() throws {
        let place = try #require(
            try LaunchEnvironment([
                "SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4", "SLURM_LOCALID": "1",
                "SLURM_STEP_NODELIST": "gpu[007-008,11],big", "SLURM_JOB_ID": "4211234",
            ]))
        #expect(place == LaunchEnvironment(rank: 3, size: 4, localRank: 1, host: "gpu007", port: 16234))
        #expect(LaunchEnvironment.firstHost("login,gpu[1-2]") == "login")
        #expect(LaunchEnvironment.firstHost("a-[3,5]") == "a-3")
    }

    @Test func mpisPlaceIsFound() throws {
        let place = try #require(
            try LaunchEnvironment([
                "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_LOCAL_RANK": "1",
                "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
            ]))
        #expect(place.rank == 1 && place.host == "127.0.0.1" && place.localSize == 2)
    }

    @Test(arguments: [
        (["WORLD_SIZE": "2"], "RANK is not set, as torchrun sets it"),
        (["WORLD_SIZE": "two", "RANK": "0"], "WORLD_SIZE=two: no whole number from 1 to"),
        (["WORLD_SIZE": "2", "RANK": "2"], "RANK=2: no whole number from 0 to 1"),
        (["WORLD_SIZE": "2", "RANK": "0"], "MASTER_ADDR is not set"),
        (["WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "a", "MASTER_PORT": "99999"], "MASTER_PORT=99999"),
    ])
    func whatMakesNoSenseIsRefused(_ environment: [String: String], _ text: String) throws {
        let error = #expect(throws: UserError.self) { try LaunchEnvironment(environment) }
        #expect(error?.message.hasPrefix(text) == true)
    }

    @Test func theVariablesAreReadAsTheyAreWritten() throws {
        let place = LaunchEnvironment(rank: 1, size: 2, localRank: 1, localSize: 2, host: "127.0.0.1", port: 4000)
        #expect(try LaunchEnvironment(place.variables) == place)
    }
}
