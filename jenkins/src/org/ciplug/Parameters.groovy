package org.ciplug

/** What is wrong with the named parameters that a step was given. */
class Parameters implements Serializable {
    static final List<String> OF_A_JOB = ['environment', 'manifest', 'credentialsId']

    /** All that is wrong with `given`, for a person; empty when nothing is. */
    static String problems(Map given, List<String> required, List<String> optional) {
        List<String> known = required + optional
        List<String> found = (required - given.keySet()).collect { "parameter '" + it + "' is missing" }
        found += given.collect { problem(it.key.toString(), it.value, known) }.findAll { it }
        return found ? found.join('; ') + '. Its parameters are ' + known.join(', ') : ''
    }

    private static String problem(String name, Object value, List<String> known) {
        if (!known.contains(name)) {
            String near = known.find { name.toLowerCase().startsWith(it.substring(0, 3)) }
            return "unknown parameter '" + name + "'" + (near ? ", did you mean '" + near + "'?" : '')
        }
        if (name == 'returnStatus') {
            return value instanceof Boolean ? '' : "parameter 'returnStatus' is neither true nor false"
        }
        return value instanceof CharSequence && value ? '' : "parameter '" + name + "' is empty, or not a text"
    }
}
