import groovy.json.JsonOutput
import org.codehaus.groovy.control.CompilerConfiguration
import org.codehaus.groovy.control.customizers.ImportCustomizer
import org.jenkinsci.plugins.workflow.libs.Library
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/** One build: it finds the step or var behind a name, records every step, and runs each in its branch's context. */
class Build {
    final Map settings
    private final Steps steps = new Steps(this)
    private final Map<String, Script> vars = [:]
    private final ProgramData program
    private final ThreadLocal<Context> contexts = new ThreadLocal<>()
    private final Map<Thread, Shell> shells = Collections.synchronizedMap([:])
    private final Set<Thread> branches = Collections.synchronizedSet([] as Set)
    private final Set<Thread> interrupted = Collections.synchronizedSet([] as Set)

    Build(Map settings) {
        this.settings = settings
        program = new ProgramData(new File(settings.program))
    }

    /** Runs the Jenkinsfile to its end; whatever ends it early is thrown. */
    void run() {
        String text = new File(settings.jenkinsfile).getText('UTF-8')
        def loader = new GroovyClassLoader(Build.classLoader)
        if (text =~ /(?m)^@Library\('ciplug'\) _$/) { load(loader, new File(settings.library)) }
        branch(new Context(env: settings.env, folder: new File(settings.workspace))) {
            parsed(loader, text, 'WorkflowScript').run()
        }
    }

    /** A step, or the `call` of a var. */
    Object invoke(String name, List arguments) {
        if (vars.containsKey(name)) { return vars[name].invokeMethod('call', arguments as Object[]) }
        if (!Steps.PARAMETERS.containsKey(name)) {
            def known = Steps.PARAMETERS.keySet() + vars.keySet()
            throw new NoSuchMethodError("No such DSL method '${name}' found among steps ${known}")
        }
        record(name, arguments)
        checkInterrupted()
        log('[Pipeline] ' + name)
        Object result = steps.run(name, arguments)
        program.save(result)
        return result
    }

    Context getContext() {
        return contexts.get()
    }

    /** `body` with `changes` to the context, as a block of a step. */
    Object block(Map changes, Closure body, Object... arguments) {
        Context outer = context
        contexts.set(outer.but(changes + [blocks: outer.blocks + body]))
        try {
            return body(*arguments)
        } finally {
            contexts.set(outer)
        }
    }

    /** `body` in `context` on this thread, which can be interrupted until then. */
    void branch(Context context, Closure body) {
        contexts.set(context)
        branches.add(Thread.currentThread())
        try {
            body()
        } finally {
            branches.remove(Thread.currentThread())
        }
    }

    /** `wait` while other threads do the work of this one. */
    void aside(Closure wait) {
        branches.remove(Thread.currentThread())
        try {
            wait()
        } finally {
            branches.add(Thread.currentThread())
        }
    }

    Shell shell(String script, boolean returnStdout) {
        Thread self = Thread.currentThread()
        try {
            Shell shell = new Shell(new File(context.folder.path + '@tmp'))
            Closure started = {
                shells[self] = shell
                if (self in interrupted) { shell.stop() }
            }
            shell.run(script, context, returnStdout, started) { log(it) }
            checkInterrupted()
            return shell
        } finally {
            shells.remove(self)
        }
    }

    /** Aborts what `threads` do: their processes get SIGTERM, and the step that runs, or is next, throws. */
    void interrupt(Collection<Thread> threads = branches.toList()) {
        interrupted.addAll(threads)
        threads.each { shells[it]?.stop() }
    }

    synchronized void log(String line) {
        System.out.println(context ? context.masked(line) : line)
        System.out.flush()
    }

    private void checkInterrupted() {
        if (interrupted.remove(Thread.currentThread())) { throw new FlowInterruptedException() }
    }

    private synchronized void record(String name, List arguments) {
        program.save(arguments, context.blocks)
        def shown = arguments.collect { it instanceof Closure ? '{…}' : it }
        new File(settings.record).append(JsonOutput.toJson([step: name, arguments: plain(shown)]) + '\n', 'UTF-8')
    }

    private Object plain(Object argument) {
        if (argument instanceof Map) { return argument.collectEntries { [it.key.toString(), plain(it.value)] } }
        if (argument instanceof Collection) { return argument.collect { plain(it) } }
        return argument instanceof Closure ? '{…}' : argument instanceof Boolean ? argument : argument?.toString()
    }

    private void load(GroovyClassLoader loader, File library) {
        loader.addClasspath(new File(library, 'src').path)
        new File(library, 'vars').listFiles().findAll { it.name.endsWith('.groovy') }.each {
            String name = it.name - '.groovy'
            vars[name] = parsed(loader, it.getText('UTF-8'), name)
        }
    }

    private Script parsed(GroovyClassLoader loader, String text, String name) {
        def imports = new ImportCustomizer().addImports(Library.name)
        def config = new CompilerConfiguration(scriptBaseClass: PipelineScript.name)
        def scm = [$class: 'GitSCM', url: settings.repository]
        def binding = new Binding(build: this, env: new Environment(this), scm: scm)
        return new GroovyShell(loader, binding, config.addCompilationCustomizers(imports)).parse(text, name + '.groovy')
    }
}
