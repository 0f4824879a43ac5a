import org.ciplug.Agent
import org.ciplug.Parameters

/** Gives `body` the secrets of the manifest's `job` as Groovy values, at the price that withCiplugValues.txt names. */
Object call(Map given = [:], Closure body) {
    Agent agent = new Agent(this)
    Map options = agent.checked('withCiplugValues', given, ['job'], Parameters.OF_A_JOB)
    agent.requireMasking()
    return agent.withSession(options, { agent.fetchValues() }, { handed ->
        agent.withMasks(handed['masks']) { body(handed['values']) }
    })
}
