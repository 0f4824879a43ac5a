/** The `env` of a pipeline: the variables of the branch that reads it. */
class Environment {
    private final Build build

    Environment(Build build) {
        this.build = build
    }

    def propertyMissing(String name) {
        return build.context.env[name]
    }

    /** `variables` over `env` as the withEnv step does it: $NAME and ${NAME} are expanded, and $$ is a dollar sign. */
    static Map<String, String> overridden(Map<String, String> env, List variables) {
        Map<String, String> result = new LinkedHashMap(env)
        variables.each {
            String text = it.toString()
            assert text.contains('=') : "withEnv: no = in ${text}"
            String value = expanded(text.substring(text.indexOf('=') + 1), env)
            String name = text.substring(0, text.indexOf('='))
            if (value) { result[name] = value } else { result.remove(name) }
        }
        return result
    }

    private static String expanded(String text, Map<String, String> env) {
        return text.replaceAll(/\$(\$|\w+|\{[\w.]+\})/) { whole, name ->
            name == '$' ? '$' : env.getOrDefault(name.replaceAll(/[{}]/, ''), whole)
        }
    }
}
