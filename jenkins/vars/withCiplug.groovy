import org.ciplug.Agent
import org.ciplug.Parameters

/** Fetches the secrets of the manifest's `job` once, for every ciplugSh in `body`. See withCiplug.txt. */
Object call(Map given = [:], Closure body) {
    Agent agent = new Agent(this)
    Map options = agent.checked('withCiplug', given, ['job'], Parameters.OF_A_JOB)
    return agent.withSession(options, { sh(label: 'ciplug fetch', script: Agent.FETCH) }, { body() })
}
