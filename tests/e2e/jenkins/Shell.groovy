import java.util.concurrent.TimeUnit

/** One `sh` step: a script in a file, run as the Durable Task plugin runs it. */
class Shell {
    private static final long PATIENCE = TimeUnit.SECONDS.toMillis(10)

    int status
    String stdout
    private final File control
    private final String cookie = UUID.randomUUID()
    private Process process
    private volatile long stopped = 0

    Shell(File temporary) {
        control = new File(temporary, 'durable-' + cookie.take(8))
        assert control.mkdirs()
    }

    /** Runs `script`; `started` is told once it can be stopped. */
    Shell run(String script, Context context, boolean returnStdout, Closure started, Closure log) {
        context.folder.mkdirs()
        File transcript = new File(control, 'jenkins-log.txt')
        File output = returnStdout ? new File(control, 'output.txt') : transcript
        [transcript, output]*.createNewFile()
        process = start(command(script), context, output, transcript)
        started()
        try {
            status = waitForEnd()
            transcript.eachLine('UTF-8') { log(it) }
            stdout = output.getText('UTF-8')
        } finally {
            control.deleteDir()
        }
        return this
    }

    /** SIGTERM to all that has this step's cookie in its environment, which is how Jenkins finds a step's processes. */
    void stop() {
        stopped = System.currentTimeMillis()
        new File('/proc').listFiles().findAll { it.name.isLong() && marked(it) }.each {
            ProcessHandle.of(it.name as long).ifPresent { handle -> handle.destroy() }
        }
    }

    private List<String> command(String script) {
        File file = new File(control, 'script.sh')
        file.setText(script, 'UTF-8')
        if (!script.startsWith('#!')) { return ['sh', '-xe', file.path] }
        // As the kernel does it: executing a file just written fails while another thread starts a process.
        return script.readLines()[0].substring(2).trim().split(/\s+/, 2).toList() + file.path
    }

    private Process start(List<String> command, Context context, File output, File transcript) {
        def builder = new ProcessBuilder(command).directory(context.folder)
        builder.environment().clear()
        builder.environment().putAll(context.env + [JENKINS_SERVER_COOKIE: cookie])
        builder.redirectInput(new File('/dev/null'))
        builder.redirectOutput(ProcessBuilder.Redirect.appendTo(output))
        builder.redirectError(ProcessBuilder.Redirect.appendTo(transcript))
        return builder.start()
    }

    /** The exit status; a process that was stopped and goes on is waited for no longer than Jenkins does. */
    private int waitForEnd() {
        while (!process.waitFor(200, TimeUnit.MILLISECONDS)) {
            if (stopped && System.currentTimeMillis() - stopped > PATIENCE) { return -1 }
        }
        return process.exitValue()
    }

    private boolean marked(File folder) {
        try {
            return new File(folder, 'environ').getText('ISO-8859-1').contains('JENKINS_SERVER_COOKIE=' + cookie + '\0')
        } catch (IOException gone) {
            return false
        }
    }
}
