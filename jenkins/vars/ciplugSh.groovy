import org.ciplug.Agent

/** Runs a script with the secrets that the surrounding withCiplug fetched. See ciplugSh.txt. */
Object call(Object given) {
    Agent agent = new Agent(this)
    Map named = given instanceof Map ? given : [script: given]
    Map options = agent.checked('ciplugSh', named, ['script'], ['returnStatus'])
    return agent.withFolder { folder -> agent.runScript(Agent.RUN_FETCHED, options, folder) }
}
