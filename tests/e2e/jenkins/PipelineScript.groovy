/** What a Jenkinsfile and the files in vars/ are compiled to: whatever they do not define is a step or a var. */
abstract class PipelineScript extends Script {
    def methodMissing(String name, Object arguments) {
        return binding.getVariable('build').invoke(name, arguments as List)
    }
}
