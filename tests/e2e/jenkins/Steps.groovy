import groovy.json.JsonSlurper
import hudson.AbortException
import java.util.concurrent.TimeUnit

/** The pipeline steps that a test needs, as Jenkins and its plugins define them. */
class Steps {
    /** The parameters of each step; a lone argument is the first of them. */
    static final Map<String, List<String>> PARAMETERS = [
        checkout: ['scm'], deleteDir: [], dir: ['path'], echo: ['message'], error: ['message'], isUnix: [],
        libraryResource: ['resource', 'encoding'], node: ['label'], parallel: null, pwd: ['tmp'],
        readFile: ['file', 'encoding'], sh: ['script', 'encoding', 'label', 'returnStatus', 'returnStdout'],
        stage: ['name'], string: ['credentialsId', 'variable'], timeout: ['time', 'unit'],
        withCredentials: ['bindings'], withEnv: ['overrides'], wrap: ['delegate'],
        writeFile: ['file', 'text', 'encoding'],
    ]

    private final Build build

    Steps(Build build) {
        this.build = build
    }

    /** Runs the step `name` with named parameters and a block, either of which may be missing. */
    Object run(String name, List arguments) {
        List given = new ArrayList(arguments)
        Closure body = given && given[-1] instanceof Closure ? given.pop() : null
        Map named = !given ? [:] : given[0] instanceof Map && !given[0].containsKey('$class') ? given[0] :
            [(PARAMETERS[name][0]): given[0]]
        if (given.size() > 1) { throw new IllegalArgumentException("${name}: expected named arguments, not ${given}") }
        def unknown = PARAMETERS[name] == null ? [] : named.keySet() - PARAMETERS[name]
        if (unknown) { throw new IllegalArgumentException("${name}: unknown parameters ${unknown}") }
        return this."${name}"(named, body)
    }

    private Object sh(Map named, Closure body) {
        if (named.returnStdout && named.returnStatus) {
            throw new IllegalArgumentException('You may not provide both returnStdout and returnStatus.')
        }
        if (!build.settings.unix) { throw new IOException('Batch scripts can only be run on Windows nodes') }
        Shell shell = build.shell(named.script.toString(), named.returnStdout as boolean)
        if (named.returnStatus) { return shell.status }
        if (shell.status) { throw new AbortException("script returned exit code ${shell.status}") }
        return named.returnStdout ? shell.stdout : null
    }

    private Object withEnv(Map named, Closure body) {
        return build.block([env: Environment.overridden(build.context.env, named.overrides)], body)
    }

    private Object string(Map named, Closure body) {
        return [$class: 'StringBinding'] + named
    }

    private Object withCredentials(Map named, Closure body) {
        // Read when it is bound: the plugin that stands behind it mints a token for each block.
        Map store = new JsonSlurper().parse(new File(build.settings.credentials))
        Map bound = named.bindings.collectEntries {
            String id = it.credentialsId
            if (!store.containsKey(id)) { throw new AbortException("Could not find credentials entry with ID '${id}'") }
            [it.variable, store[id]]
        }
        Context outer = build.context
        def mask = Masks.credentials(bound.values() as List)
        return build.block([env: outer.env + bound, masks: outer.masks + mask], body)
    }

    private Object wrap(Map named, Closure body) {
        Map wrapper = named.delegate
        if (wrapper.$class != 'MaskPasswordsBuildWrapper' || !build.settings.maskPasswords) {
            def cause = 'no known implementation of interface SimpleBuildWrapper is named ' + wrapper.$class
            throw new IllegalArgumentException("Could not instantiate for CoreWrapperStep: ${cause}")
        }
        List<String> passwords = wrapper.varPasswordPairs*.password
        return build.block([masks: build.context.masks + Masks.passwords(passwords)], body)
    }

    private Object parallel(Map named, Closure body) {
        Context context = build.context
        List<Throwable> failures = Collections.synchronizedList([])
        List<Thread> threads = named.collect { name, branch ->
            new Thread({
                try {
                    build.branch(context.but(blocks: context.blocks + branch)) { branch() }
                } catch (Throwable err) {
                    failures << err
                }
            })
        }
        threads*.start()
        build.aside { threads*.join() }
        if (failures) { throw failures[0] }
        return null
    }

    private Object timeout(Map named, Closure body) {
        Thread self = Thread.currentThread()
        def timer = new Timer(true)
        long wait = TimeUnit.valueOf(named.unit ?: 'MINUTES').toMillis(named.time)
        timer.schedule({ build.interrupt([self]) } as TimerTask, wait)
        try { return build.block([:], body) } finally { timer.cancel() }
    }

    private Object node(Map named, Closure body) {
        build.context.folder.mkdirs()
        return build.block([:], body)
    }

    private Object stage(Map named, Closure body) {
        return build.block([:], body)
    }

    private Object dir(Map named, Closure body) {
        return build.block([folder: file(named.path)], body)
    }

    private Object deleteDir(Map named, Closure body) {
        File folder = build.context.folder
        if (!folder.deleteDir() && folder.exists()) { throw new IOException("Unable to delete '${folder}'") }
        return null
    }

    private Object writeFile(Map named, Closure body) {
        File target = file(named.file)
        target.parentFile.mkdirs()
        target.setText(named.text.toString(), named.encoding ?: 'UTF-8')
        return null
    }

    private Object readFile(Map named, Closure body) {
        return file(named.file).getText(named.encoding ?: 'UTF-8')
    }

    private Object libraryResource(Map named, Closure body) {
        return new File(build.settings.library, 'resources/' + named.resource).getText(named.encoding ?: 'UTF-8')
    }

    private Object checkout(Map named, Closure body) {
        List<String> env = build.context.env.collect { it.key + '=' + it.value }
        def clone = ['git', 'clone', '-q', named.scm.url, '.'].execute(env, build.context.folder)
        String said = clone.err.text
        if (clone.waitFor()) { throw new AbortException("Error cloning remote repo: ${said}") }
        return null
    }

    private Object pwd(Map named, Closure body) {
        return build.context.folder.path + (named.tmp ? '@tmp' : '')
    }

    private Object isUnix(Map named, Closure body) {
        return build.settings.unix
    }

    private Object echo(Map named, Closure body) {
        named.message.toString().readLines().each { build.log(it) }
        return null
    }

    private Object error(Map named, Closure body) {
        throw new AbortException(named.message.toString())
    }

    private File file(Object path) {
        File given = new File(path.toString())
        return given.absolute ? given : new File(build.context.folder, given.path)
    }
}
