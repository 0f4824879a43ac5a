import groovy.json.JsonSlurper
import hudson.AbortException
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException
import sun.misc.Signal
import sun.misc.SignalHandler

// Runs a Jenkinsfile on this machine, with the shared library of the settings (a JSON file). What differs from Jenkins:
// nothing is transformed to continuations and nothing runs in the sandbox; there is one agent, which is this machine;
// the log of an `sh` step comes when the step has ended. SIGTERM is the user's click on "abort".
if (GroovySystem.version != '2.4.21') {
    System.err.println("Jenkins runs Groovy 2.4.21, and this is ${GroovySystem.version}")
    System.exit(3)
}
def build = new Build(new JsonSlurper().parse(new File(args[0])))
Signal.handle(new Signal('TERM'), { build.interrupt() } as SignalHandler)
String result = 'SUCCESS'
try {
    build.run()
} catch (FlowInterruptedException aborted) {
    result = 'ABORTED'
} catch (AbortException error) {
    result = 'FAILURE'
    println 'ERROR: ' + error.message
} catch (Throwable error) {
    result = 'FAILURE'
    println error
    error.stackTrace.findAll { it.fileName?.endsWith('.groovy') }.take(8).each { println '\tat ' + it }
}
println 'Finished: ' + result
System.out.flush()
System.exit(['SUCCESS', 'FAILURE', 'ABORTED'].indexOf(result))
