import org.ciplug.Agent
import org.ciplug.Parameters

/** Runs `script` with the secrets of the manifest's `job`, hidden in its output. See ciplug.txt. */
Object call(Map given = [:]) {
    Agent agent = new Agent(this)
    Map options = agent.checked('ciplug', given, ['job', 'script'], Parameters.OF_A_JOB + 'returnStatus')
    return agent.withJob(options) { folder ->
        agent.withToken(options) { agent.runScript(Agent.RUN, options, folder) }
    }
}
